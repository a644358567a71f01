# shellcheck shell=bash disable=SC2154,SC2034
# Sourced by script/services: PostgreSQL and Redis in containers, for a machine where they are neither installed nor may be.
# Sets pg_port and redis_port, and replaces `sql`.

docker_answers() { command -v docker >/dev/null && docker info >/dev/null 2>&1; }

start_container() { # NAME IMAGE PORT arguments…
  local name=$1 image=$2 port=$3
  shift 3
  if [ -s "$dir/$name.container" ] && [ "$(docker inspect --format '{{.State.Running}}' "$(cat "$dir/$name.container")" 2>/dev/null)" = true ]; then
    :
  else
    say "starting $image in a container …"
    docker run --detach --rm --publish "127.0.0.1::$port" --env POSTGRES_PASSWORD --env POSTGRES_INITDB_ARGS=--no-sync "$image" "$@" >"$dir/$name.container"
  fi
  docker port "$(cat "$dir/$name.container")" "$port/tcp" | sed -nE '1s/.*:([0-9]+)$/\1/p'
}

start_in_containers() {
  local tries=0
  POSTGRES_PASSWORD=$(secret postgres)
  export POSTGRES_PASSWORD
  place=/var/lib/postgresql/data
  pg_port=$(start_container postgres postgres:16 5432 -c fsync=off -c max_connections=200)
  redis_port=$(start_container redis redis:7 6379 redis-server --requirepass "$(secret redis)" --save '' --maxmemory-policy noeviction)
  sql() { docker exec --interactive "$(cat "$dir/postgres.container")" psql --no-psqlrc -qAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -U postgres "$@"; }
  until sql -d postgres -c 'SELECT 1' >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || fail "PostgreSQL in its container does not answer"
    sleep 0.2
  done
  create_roles
}

stop_containers() {
  local file
  for file in "$dir"/*.container; do
    [ -s "$file" ] || continue
    docker stop --time 5 "$(cat "$file")" >/dev/null 2>&1 || true
    rm -f "$file"
  done
}
