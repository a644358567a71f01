# shellcheck shell=bash
# Sourced by services, backup and restore: where PostgreSQL's programs are.

major() { "$1" --version 2>/dev/null | sed -E 's/^[^0-9]*([0-9]+).*/\1/;q'; }

# Prints a line "VERSION FOLDER" for each folder that has all of these programs, the newest first. What is on the PATH is looked
# at where it really lies: Debian's is a wrapper that chooses a version by rules of its own.
postgres_folders() { # PROGRAM…
  local candidate program
  for candidate in "$(dirname "$(readlink -f "$(command -v "$1" || true)" 2>/dev/null || true)")" \
    /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin \
    /home/linuxbrew/.linuxbrew/opt/postgresql@*/bin /Applications/Postgres.app/Contents/Versions/latest/bin; do
    for program in "$@"; do
      [ -x "$candidate/$program" ] || continue 2
    done
    printf '%s %s\n' "$(major "$candidate/$1")" "$candidate"
  done | sort -s -k 1,1rn
}

# Leaves the programs that copy a database in `bin`: those of the server's own version, since what a newer pg_dump writes is not for every
# pg_restore, and not for every server. Sets `role`, who asks, and `sees_all`, whether row-level security keeps nothing from them.
need_copiers() {
  local server version folder
  bin=$(postgres_folders pg_dump pg_restore psql | sed -n '1s/^[0-9]* //p')
  [ -n "$bin" ] || fail "needs pg_dump, pg_restore and psql: install PostgreSQL's client programs (Debian: postgresql-client)"
  server=$(ask "SELECT current_setting('server_version_num')::int / 10000, rolsuper OR rolbypassrls, rolname FROM pg_roles WHERE rolname = current_user") ||
    fail "PostgreSQL did not answer: PGHOST, PGPORT, PGDATABASE, PGUSER and PGPASSWORD say where it is, and as whom"
  IFS='|' read -r server sees_all role <<<"$server"
  while read -r version folder; do
    [ "$version" != "$server" ] || bin=$folder
  done < <(postgres_folders pg_dump pg_restore psql)
  [ "$(major "$bin/pg_dump")" = "$server" ] ||
    fail "the server is PostgreSQL $server and $bin/pg_dump is of another version: install the client programs of version $server"
}

# Prints what one statement answers.
ask() {
  "$bin/psql" --no-psqlrc --no-password --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --command "$1"
}
