#!/bin/bash
# Run once by the image of Postgres, when a database is made: its domain gets a role that owns the
# domain's database and is no superuser, and nobody else may connect to it.
set -euo pipefail

psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  -v domain="$DOMAIN" -v password="$DOMAIN_PASSWORD" <<'SQL'
CREATE ROLE :"domain" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE :"domain" OWNER :"domain";
REVOKE ALL ON DATABASE :"domain", postgres, template1 FROM PUBLIC;
-- What a statement was about is not for the server's log, whatever its configuration says.
ALTER ROLE :"domain" SET log_error_verbosity = terse;
ALTER ROLE :"domain" SET log_min_error_statement = panic;
ALTER ROLE :"domain" SET log_min_duration_statement = -1;
ALTER ROLE :"domain" SET log_statement = none;
SQL
