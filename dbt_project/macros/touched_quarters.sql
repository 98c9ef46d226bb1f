{#- Which quarter hours of event time the chain of `flights` builds again: those that a slice
    brought since the last run, and in a run that builds hours again those of its hours. -#}

{#- The quarter hour that an instant lies in. -#}
{% macro quarter_of(instant) -%}
    {{ hour_of(instant) }}
    + interval '15' minute * floor(extract(minute from {{ instant }} at time zone 'UTC') / 15)
{%- endmacro %}

{#- Whether the hours of the run are built from bronze again. A landing run says no, as it brings
    what is new; whoever builds an hour by hand means the hour. -#}
{% macro is_rebuild() -%}
    {{ return(var("rebuild", true)) }}
{%- endmacro %}

{#- Return the touched quarter hours as [{"from": …, "to": …}, …], half-open ranges of ISO texts in
    order, read when the model is built. Each range ends a quarter after what it brings, as the next
    observation of a flight is judged beside its predecessor; ranges that look at each other's
    observations are one. Never an empty list, so that the model stays one query. The same all
    through a run: slices are taken up to through_slice_id, and `flight_progress` moves on last. -#}
{% macro touched_quarters() -%}
    {%- set ranges = [] -%}
    {%- if execute and requested_hours()["from"] != never() -%}
        {%- set lookback = modules.datetime.timedelta(minutes=15) -%}
        {%- for row in run_query(touched_quarters_query()).rows -%}
            {%- if ranges and row["from_at"] <= ranges[-1]["to"] + lookback -%}
                {%- do ranges[-1].update({"to": [ranges[-1]["to"], row["to_at"]] | max}) -%}
            {%- else -%}
                {%- do ranges.append({"from": row["from_at"], "to": row["to_at"]}) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set texts = [] -%}
    {%- for range in without_closed_quarters(ranges) -%}
        {%- do texts.append({"from": range["from"].isoformat(), "to": range["to"].isoformat()}) -%}
    {%- endfor -%}
    {{ return(texts or [{"from": never(), "to": never()}]) }}
{%- endmacro %}

{#- Return the ranges without the quarter hours that cannot be built again, as observations that
    they look at, their own or those of the 15 minutes before, were pruned. What they have stays. -#}
{% macro without_closed_quarters(ranges) -%}
    {%- set open = [] -%}
    {%- set closed = run_query(closed_quarters_query(ranges)).rows if ranges else [] -%}
    {%- for range in ranges -%}
        {%- set rest = namespace(start=range["from"]) -%}
        {%- for gone in closed if gone["from_at"] < range["to"] and gone["to_at"] > range["from"] -%}
            {%- if gone["from_at"] > rest.start -%}
                {%- do open.append({"from": rest.start, "to": gone["from_at"]}) -%}
            {%- endif -%}
            {%- set rest.start = [rest.start, gone["to_at"]] | max -%}
        {%- endfor -%}
        {%- if rest.start < range["to"] -%}
            {%- do open.append({"from": rest.start, "to": range["to"]}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(open) }}
{%- endmacro %}

{#- Those near the ranges, as [from_at, to_at) in order. -#}
{% macro closed_quarters_query(ranges) -%}
    select
        {{ quarter_of('first_event_at') }} as from_at,
        {{ quarter_of('last_event_at') }} + interval '30' minute as to_at
    from {{ source('bronze', 'pruned_slice_hours') }}
    where
        topic = '{{ var("positions_topic") }}'
        and event_hour <= (select max(last_event_at) from {{ source('bronze', 'pruned_days') }})
        and (
            {%- for range in ranges %}
            (event_hour >= {{ hour_of(utc_instant(range["from"].isoformat())) }} - interval '1' hour
                and event_hour < {{ utc_instant(range["to"].isoformat()) }})
            {{- " or" if not loop.last }}
            {%- endfor %}
        )
    group by from_at, to_at
    order by from_at, to_at
{%- endmacro %}

{#- By the slices that are newer than the progress: a slice that is landed again is newer, too. The
    progress is asked for by its name, as it depends on those that ask. -#}
{% macro touched_quarters_query() -%}
    {%- set progress = adapter.get_relation(this.database, this.schema, "flight_progress") -%}
    select
        {{ quarter_of('slice_event_hours.first_event_at') }} as from_at,
        {{ quarter_of('slice_event_hours.last_event_at') }} + interval '30' minute as to_at
    from {{ source('bronze', 'slice_event_hours') }} as slice_event_hours
    inner join {{ source('bronze', 'landed_slices') }} as landed_slices
        on slice_event_hours.slice_id = landed_slices.slice_id
    where
        landed_slices.topic = '{{ var("positions_topic") }}'
        and slice_event_hours.slice_id <= {{ through_slice_id() }}
        {% if progress %}
            and slice_event_hours.slice_id
            > (select coalesce(max(through_slice_id), 0) from {{ progress }})
        {% endif %}
    {% if is_rebuild() %}
        {%- set hours = requested_hours() %}
        union
        select
            {{ utc_instant(hours["from"]) }} as from_at,
            {{ utc_instant(hours["to"]) }} + interval '15' minute as to_at
    {% endif %}
    order by from_at, to_at
{%- endmacro %}

{#- The instant lies in a touched quarter hour. -#}
{% macro in_quarters(instant, ranges) -%}
    (
        {%- for range in ranges %}
        ({{ instant }} >= {{ utc_instant(range["from"]) }}
            and {{ instant }} < {{ utc_instant(range["to"]) }})
        {{- " or" if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{#- The quarter hours before the ranges: those of the predecessors of their first observations. -#}
{% macro before(ranges) -%}
    {%- set quarters = [] -%}
    {%- for range in ranges if range["from"] != never() -%}
        {%- set first = modules.datetime.datetime.fromisoformat(range["from"]) -%}
        {%- set quarter = first - modules.datetime.timedelta(minutes=15) -%}
        {%- do quarters.append({"from": quarter.isoformat(), "to": range["from"]}) -%}
    {%- endfor -%}
    {{ return(quarters or [{"from": never(), "to": never()}]) }}
{%- endmacro %}

{#- Pre-hook of the tables whose rows are of a quarter hour, as delete_requested_hours. -#}
{% macro delete_touched_quarters() -%}
    {%- if is_incremental() -%}
        lock table {{ this }} in share row exclusive mode;
        delete from {{ this }} where {{ in_quarters("quarter_at", touched_quarters()) }}
    {%- endif -%}
{%- endmacro %}

{#- Pre-hook of flight_sessions: a flight that was seen in a touched quarter hour and is in none any
    more is gone. The others are replaced by their ids. -#}
{% macro delete_vanished_flights() -%}
    {%- if is_incremental() -%}
        lock table {{ this }} in share row exclusive mode;
        delete from {{ this }} as sessions
        where {{ was_seen_in_quarters("sessions", touched_quarters()) }}
            and not exists (
                select 1 from {{ ref("flight_quarters") }} as quarters
                where quarters.flight_id = sessions.flight_id
            )
    {%- endif -%}
{%- endmacro %}

{#- The flight was seen from before to after some of the quarter hours. -#}
{% macro was_seen_in_quarters(flight, ranges) -%}
    (
        {%- for range in ranges %}
        ({{ flight }}.last_observed_at >= {{ utc_instant(range["from"]) }}
            and {{ flight }}.first_observed_at < {{ utc_instant(range["to"]) }})
        {{- " or" if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
