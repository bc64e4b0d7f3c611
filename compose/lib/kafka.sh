# shellcheck shell=bash
# Kafka: one node that is broker and controller (KRaft).

kafka_needs() { echo jdk17 mvn; }
kafka_ports() { echo KAFKA_PORT KAFKA_CONTROLLER_PORT; }
kafka_download() { ensure_part kafka "$(cat "$HERE/maven/kafka.xml")" maven_jars kafka; }
kafka_probe() { log_says kafka 'Kafka Server started'; }
kafka_env() { env_line KAFKA_BOOTSTRAP "127.0.0.1:$(port_of KAFKA_PORT)"; }

kafka_launch() {
  local home=$STACK/kafka
  mkdir -p "$home/tmp"
  kafka_configure "$home"
  [[ -s $home/data/meta.properties ]] || kafka_format "$home"
  CLASSPATH="$LIB/kafka/*" start_process kafka "$home" "$(find_jdk17)/bin/java" -Xms384m -Xmx384m -XX:+UseSerialGC \
    -XX:+ExitOnOutOfMemoryError -XX:-UsePerfData -Djava.io.tmpdir="$home/tmp" \
    -Dlog4j2.configurationFile="$HERE/lib/kafka/log4j2.properties" kafka.Kafka "$home/server.properties"
}

# Short session timeouts are allowed for tests that kill consumers. The cleaner's buffer (128 MiB by default) would be a
# third of the heap; 16 MiB hold the keys of some 600,000 records.
kafka_configure() {
  local port controller
  port=$(port_of KAFKA_PORT) controller=$(port_of KAFKA_CONTROLLER_PORT)
  cat >"$1/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=$1/data
num.partitions=1
default.replication.factor=1
auto.create.topics.enable=true
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=16777216
END
}

# Makes $1/data for a cluster id of 16 random bytes (in base64 for URLs, not beginning with a dash).
kafka_format() {
  local id
  id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')
  rm -rf "$1/data"
  CLASSPATH="$LIB/kafka/*" "$(find_jdk17)/bin/java" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData \
    -Dlog4j2.configurationFile="$HERE/lib/kafka/log4j2.properties" kafka.tools.StorageTool format -t "${id/#-/A}" -c "$1/server.properties" \
    >>"$STACK/kafka.log" 2>&1 </dev/null || { tail -n 20 "$STACK/kafka.log" >&2; die "formatting Kafka's storage failed, see $STACK/kafka.log"; }
}
