#!/bin/bash
# Run once by the image of Postgres, when a database is made: its domain gets a role that owns the
# domain's database and is no superuser, and nobody else may connect to it.
set -euo pipefail

psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  -v domain="$DOMAIN" -v password="$DOMAIN_PASSWORD" <<'SQL'
CREATE ROLE :"domain" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE :"domain" OWNER :"domain";
REVOKE ALL ON DATABASE :"domain", postgres, template1 FROM PUBLIC;
SQL
