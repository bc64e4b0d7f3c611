# shellcheck shell=bash
# A Schema Registry with Confluent's REST interface: Apicurio, which keeps its state in memory and loses it at a stop.

registry_needs() { echo jdk17 mvn curl; }
registry_ports() { echo REGISTRY_PORT; }
registry_download() { ensure_part registry "$(cat "$HERE/maven/registry.xml")" maven_archive registry; }
registry_url() { echo "http://127.0.0.1:$(port_of REGISTRY_PORT)/apis/ccompat/v7"; }
registry_env() { env_line REGISTRY_URL "$(registry_url)"; }

registry_launch() {
  local home=$STACK/registry
  mkdir -p "$home/tmp"
  rm -f "$home/level-set"
  start_process registry "$home" "$(find_jdk17)/bin/java" -Xms64m -Xmx256m -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError \
    -XX:-UsePerfData -Djava.io.tmpdir="$home/tmp" -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$(port_of REGISTRY_PORT)" \
    -jar "$LIB"/registry/apicurio-registry-app-*-runner.jar
}

# Ready once it has taken Confluent's default level (Apicurio begins with NONE). Set once per start: a test may choose another.
registry_probe() {
  service_runs registry || return 1
  if [[ -e $STACK/registry/level-set ]]; then return; fi
  curl -fs -o /dev/null --max-time 5 --noproxy '*' -X PUT -H 'Content-Type: application/json' -d '{"compatibility":"BACKWARD"}' "$(registry_url)/config" || return 1
  touch "$STACK/registry/level-set"
}
