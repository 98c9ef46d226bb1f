# What postgres:18 offers, as far as docker-compose.yml uses it: the programs, from the suite of Debian
# that has them (a mirror of it may be behind), and an entrypoint that reads the same variables.
FROM flight-assets-debian
RUN useradd --system --uid 999 --home-dir /var/lib/postgresql --shell /bin/bash postgres \
    && echo "deb http://deb.debian.org/debian sid main" > /etc/apt/sources.list.d/sid.list \
    && apt-get -o Acquire::Check-Valid-Until=false update \
    # a file of the older suite's libssl has moved to another package
    && apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-overwrite postgresql-18 \
    && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/* \
    && mkdir -p /var/run/postgresql /docker-entrypoint-initdb.d \
    && chown postgres:postgres /var/lib/postgresql /var/run/postgresql
COPY postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
ENV PATH=/usr/lib/postgresql/18/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PGDATA=/var/lib/postgresql/18/docker \
    LANG=C.UTF-8
VOLUME /var/lib/postgresql
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
