#!/bin/sh
# Fills the templates in, then becomes what was asked for.
set -e
for template in /etc/nginx/templates/*.template; do
    envsubst '$NGINX_PORT' <"$template" >"/etc/nginx/conf.d/$(basename "$template" .template)"
done
exec "$@"
