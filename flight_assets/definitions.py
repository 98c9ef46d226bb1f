"""Table of contents: every asset, check, sensor, schedule and resource of the code location."""

import dagster as dg

from flight_assets import automation
from flight_assets.alerts.sensors import alert_sensor, failed_run_alert_sensor
from flight_assets.assets.dbt import hourly_models, reference_models
from flight_assets.assets.raw_flights import raw_flights, raw_polls, topics
from flight_assets.assets.references import raw_aircraft_types, raw_airlines, raw_airports
from flight_assets.backup_job import backup_daily_schedule, backup_job
from flight_assets.checks import CHECKS
from flight_assets.resources import resources
from flight_assets.retention import retention_daily_schedule, retention_job

defs = dg.Definitions(
    assets=[
        *topics,
        raw_flights,
        raw_polls,
        raw_airports,
        raw_airlines,
        raw_aircraft_types,
        reference_models,
        hourly_models,
    ],
    asset_checks=CHECKS,
    jobs=[
        automation.land_and_answer_job,
        automation.answer_hours_job,
        automation.references_job,
        automation.poll_job,
        retention_job,
        backup_job,
    ],
    schedules=[
        automation.references_daily_schedule,
        automation.poll_every_minute_schedule,
        retention_daily_schedule,
        backup_daily_schedule,
    ],
    sensors=[
        automation.raw_flights_landing_sensor,
        automation.stale_hours_sensor,
        alert_sensor,
        failed_run_alert_sensor,
    ],
    resources=resources(),
)
