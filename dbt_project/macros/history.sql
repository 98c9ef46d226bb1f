{#- Which version of a reference an as-of hour uses: that of its UTC day. -#}

{#- The versions in a history with the days on which each counts, as a table expression: those that
    count on a day of the requested hours, so that what joins them costs the same however long the
    history is. A version counts from the day of dbt_valid_from and no longer on the day of
    dbt_valid_to: of a day's versions the last one is that day's. The versions of the first
    snapshot reach back to the first of all days, so that an hour before it has references too. -#}
{% macro versions_of(history) -%}
    {%- set hours = requested_hours() -%}
    (
        select * from (
            select
                *,
                case
                    when dbt_valid_from = min(dbt_valid_from) over () then date '0001-01-01'
                    else {{ utc_date('dbt_valid_from') }}
                end as valid_from_date,
                coalesce({{ utc_date('dbt_valid_to') }}, date '9999-12-31') as valid_to_date
            from {{ history }}
        ) as dated
        where
            valid_from_date <= {{ utc_date(utc_instant(hours["to"])) }}
            and valid_to_date > {{ utc_date(utc_instant(hours["from"])) }}
    ) as versions
{%- endmacro %}

{#- A version counts on a day: from the first of its days to the day before its last. -#}
{% macro counts_on(version, day) -%}
    {{ day }} >= {{ version }}.valid_from_date and {{ day }} < {{ version }}.valid_to_date
{%- endmacro %}

{#- The instant of a snapshot, with its zone; dbt's own follows the time zone of the session. -#}
{% macro postgres__snapshot_get_time() -%}
    current_timestamp
{%- endmacro %}
