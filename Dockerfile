# One image for every part of the line that is ours: migrate, poller, code location, daemon, pages.
# What a container does is its command; docker-compose.yml says which.

FROM python:3.11-slim AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /app
COPY requirements.lock ./
RUN pip install --quiet --require-hashes --no-deps -r requirements.lock
RUN cp -r /opt/venv /opt/tools
# what only developers need goes again; what stays is compiled, as nobody can write there later
COPY pyproject.toml ./
COPY deploy/runtime_only.py deploy/
RUN python deploy/runtime_only.py | xargs pip uninstall --quiet --yes \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib
# for _plain_rows.c; without it landing takes the long way
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY README.md LICENSE dagster.yaml ./
COPY flight_assets flight_assets
COPY kafka_sensors kafka_sensors
COPY dbt_project dbt_project
COPY deploy deploy
# editable: the package looks for dbt_project and dagster.yaml beside itself. The project is parsed
# here, so that no container does when it starts; whoever runs it may write there
RUN pip install --quiet --no-deps --no-build-isolation --editable . \
    && pip uninstall --quiet --yes setuptools pip \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash flight_assets kafka_sensors \
    && dbt parse --quiet --project-dir dbt_project --profiles-dir dbt_project --log-path /tmp/dbt \
    && chmod -R a+rwX dbt_project/target
# what is in the image, with licences and hashes
RUN /opt/tools/bin/python -W ignore -m cyclonedx_py environment /opt/venv/bin/python \
    --pyproject pyproject.toml --output-reproducible --output-format JSON --output-file sbom.cdx.json

FROM python:3.11-slim
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent flight-assets \
    && mkdir -m 777 -p /var/lib/flight-assets /var/backups/flight-assets
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /app /app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FLIGHT_ASSETS_HOME=/var/lib/flight-assets \
    DAGSTER_HOME=/var/lib/flight-assets/dagster \
    DAGSTER_EVENT_BATCH_SIZE=500 \
    DAGSTER_DISABLE_TELEMETRY=yes \
    DBT_SEND_ANONYMOUS_USAGE_STATS=false \
    DBT_LOG_PATH=/tmp/dbt \
    HOME=/tmp
WORKDIR /app
USER 10001
ENTRYPOINT ["/app/deploy/entrypoint.sh"]
CMD ["dagster", "api", "grpc", "--host", "0.0.0.0", "--port", "4000", "--module-name", "flight_assets.definitions"]
# of the code location, the image's long-lived part; docker-compose.yml says it for each service
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s \
    CMD ["python", "-I", "/app/deploy/healthy.py", "grpc", "4000"]
