{#- Which as-of hours a run answers: the half-open range [from_hour, to_hour) of the vars. -#}

{#- Before any observation: what nothing matches. -#}
{% macro never() -%}
    {{ return("1970-01-01T00:00:00Z") }}
{%- endmacro %}

{#- Return {"from": …, "to": …}. Where the vars are missing or no hours, building stops with
    one line that says so; parsing, compiling and documenting go on with an empty range. -#}
{% macro requested_hours() -%}
    {%- set from_hour = var("from_hour", none) -%}
    {%- set to_hour = var("to_hour", none) -%}
    {%- if from_hour is none and to_hour is none -%}
        {%- if execute and flags.WHICH in ["build", "run", "test"] -%}
            {{ exceptions.raise_compiler_error(
                "from_hour and to_hour are not set: say which hours to answer, for example --vars "
                ~ "'{\"from_hour\": \"2025-07-20T08:00:00Z\", \"to_hour\": \"2025-07-20T09:00:00Z\"}'"
            ) }}
        {%- endif -%}
        {{ return({"from": never(), "to": never()}) }}
    {%- endif -%}
    {%- for name, hour in [("from_hour", from_hour), ("to_hour", to_hour)] -%}
        {%- if not modules.re.match("\\d{4}-\\d\\d-\\d\\dT\\d\\d:00:00Z$", hour | string) -%}
            {{ exceptions.raise_compiler_error(
                name ~ " is '" ~ hour ~ "', not a UTC hour: write it as 2025-07-20T08:00:00Z"
            ) }}
        {%- endif -%}
    {%- endfor -%}
    {%- if from_hour >= to_hour -%}
        {{ exceptions.raise_compiler_error(
            "from_hour " ~ from_hour ~ " is not before to_hour " ~ to_hour
            ~ ": to_hour is the first hour that is not answered"
        ) }}
    {%- endif -%}
    {{ return({"from": from_hour, "to": to_hour}) }}
{%- endmacro %}

{#- The instant lies in a requested hour that can be built. Constants, so that an index or a
    partition serves it. -#}
{% macro in_requested_hours(instant) -%}
    {%- set hours = requested_hours() -%}
    {%- set closed = closed_hours() -%}
    {{ instant }} >= {{ utc_instant(hours["from"]) }}
    and {{ instant }} < {{ utc_instant(hours["to"]) }}
    {%- if closed %}
        and {{ hour_of(instant) }} not in (
            {%- for hour in closed %}{{ utc_instant(hour) }}{{ ", " if not loop.last }}{% endfor -%}
        )
    {%- endif -%}
{%- endmacro %}

{#- Return the requested hours whose observations or polls were pruned, ISO texts: what they have is
    left alone. The run says them in a var, as it knows them; without it they are asked for by the
    name of the model, which is built from the same hours. -#}
{% macro closed_hours() -%}
    {%- set told = var("closed_hours", none) -%}
    {%- if told is not none -%}
        {{ return(told) }}
    {%- endif -%}
    {%- set hours = requested_hours() -%}
    {%- set found = [] -%}
    {%- if execute and hours["from"] != never() and looks_at_pruned(hours["from"]) -%}
        {%- set model = adapter.get_relation(target.database, "gold", "closed_hours") -%}
        {%- if model -%}
            {%- set rows = run_query(
                "select as_of_hour from " ~ model
                ~ " where as_of_hour >= " ~ utc_instant(hours["from"])
                ~ " and as_of_hour < " ~ utc_instant(hours["to"]) ~ " order by as_of_hour"
            ).rows -%}
            {%- for row in rows -%}
                {%- do found.append(row["as_of_hour"].isoformat()) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}

{#- Whether anything was pruned of the hour before, or later. Mostly nothing was, and the model of
    closed hours, which reads all polls, need not be asked. -#}
{% macro looks_at_pruned(hour) -%}
    {%- set days = adapter.get_relation(target.database, "bronze", "pruned_days") -%}
    {%- if not days -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set question -%}
        select count(*) as days from {{ days }}
        where last_event_at >= {{ utc_instant(hour) }} - interval '1' hour
    {%- endset -%}
    {{ return(run_query(question).rows[0]["days"] > 0) }}
{%- endmacro %}

{#- Pre-hook of hourly tables, in the transaction that appends the hours again. The lock lets
    readers in and makes a second run over the same hours wait, so that it doubles nothing. -#}
{% macro delete_requested_hours() -%}
    {%- if is_incremental() -%}
        lock table {{ this }} in share row exclusive mode;
        delete from {{ this }} where {{ in_requested_hours("as_of_hour") }}
    {%- endif -%}
{%- endmacro %}

{#- Return the requested hours that have a poll as [{"as_of_hour": …, "as_of_at": …}, …], ISO
    texts, read when the model is built. Never an empty list: without a poll, an instant that no
    observation is near, so that the model stays one query. -#}
{% macro answer_windows(as_of_hours) -%}
    {%- set windows = [] -%}
    {%- if execute and requested_hours()["from"] != never() -%}
        {%- set found = run_query(
            "select as_of_hour, as_of_at from " ~ as_of_hours
            ~ " where " ~ in_requested_hours("as_of_hour") ~ " order by as_of_hour"
        ) -%}
        {%- for row in found.rows -%}
            {%- do windows.append({
                "as_of_hour": row["as_of_hour"].isoformat(),
                "as_of_at": row["as_of_at"].isoformat(),
            }) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(windows or [{"as_of_hour": never(), "as_of_at": never()}]) }}
{%- endmacro %}

{#- The newest slice that the answers can have seen, as it was before the models started. 0 where
    nobody said: the hours then stay stale, which costs a rebuild and never hides data. -#}
{% macro through_slice_id() -%}
    {%- set slice_id = var("through_slice_id", 0) | string -%}
    {%- if not modules.re.match("\\d+$", slice_id) -%}
        {{ exceptions.raise_compiler_error(
            "through_slice_id is '" ~ slice_id ~ "', not the id of a slice of bronze.landed_slices"
        ) }}
    {%- endif -%}
    {{ slice_id }}
{%- endmacro %}

{#- Who asked for the hours, as a constant text. -#}
{% macro run_id() -%}
    {{ dbt.string_literal(dbt.escape_single_quotes(var("run_id", invocation_id))) }}
{%- endmacro %}
