//! How the servers of the `services` image are run: what the images of the same name say at Docker's registry.

/// Serves `/var/www/html` and keeps its log in `/var/log/nginx/access.log`.
pub(crate) const NGINX: &[&str] =
    &["EXPOSE 80", "STOPSIGNAL SIGQUIT", r#"CMD ["nginx", "-g", "daemon off;"]"#];

/// Makes a cluster where there is none, and lets everybody in who reaches it.
pub(crate) const POSTGRES: &[&str] = &[
    "USER postgres",
    "ENV PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin",
    "ENV PGDATA=/var/lib/postgresql/data",
    "VOLUME /var/lib/postgresql",
    "EXPOSE 5432",
    "STOPSIGNAL SIGINT",
    concat!(
        r#"CMD ["sh", "-c", "[ -s $PGDATA/PG_VERSION ] || { initdb --auth=trust --no-sync >/dev/null "#,
        r#"&& echo 'host all all all trust' >>$PGDATA/pg_hba.conf; }; "#,
        r#"exec postgres -c listen_addresses='*' -c unix_socket_directories=/tmp"]"#
    ),
];

/// Keeps what it is told in `/data`, at once.
pub(crate) const REDIS: &[&str] = &[
    "VOLUME /data",
    "WORKDIR /data",
    "EXPOSE 6379",
    r#"CMD ["redis-server", "--bind", "*", "-::*", "--protected-mode", "no", "--appendonly", "yes"]"#,
];
