# shellcheck shell=bash
# Cassandra: one node. None of its settings files is in its jars; the three it needs are here.

cassandra_needs() { echo jdk17 mvn; }
cassandra_ports() { echo CASSANDRA_PORT CASSANDRA_STORAGE_PORT CASSANDRA_SSL_STORAGE_PORT; }
cassandra_download() { ensure_part cassandra "$(cat "$HERE/maven/cassandra.xml")" maven_jars cassandra; }
cassandra_probe() { log_says cassandra 'Startup complete'; }
cassandra_env() {
  env_line CASSANDRA_HOST 127.0.0.1
  env_line CASSANDRA_PORT "$(port_of CASSANDRA_PORT)"
  env_line CASSANDRA_DC datacenter1
}

cassandra_launch() {
  local home=$STACK/cassandra
  mkdir -p "$home/triggers" "$home/tmp"
  cassandra_configure "$home"
  # The folder of logback.xml comes first on the class path, the settings as a URL.
  CLASSPATH="$HERE/lib/cassandra:$LIB/cassandra/*" start_process cassandra "$home" "$(find_jdk17)/bin/java" -Xms512m -Xmx512m \
    -javaagent:"$LIB/cassandra/jamm-0.4.0.jar" "@$HERE/lib/cassandra/jvm17.options" -Djava.io.tmpdir="$home/tmp" \
    -Dcassandra.config="file:$home/cassandra.yaml" -Dcassandra.storagedir="$home" -Dcassandra.logdir="$home" \
    -Dcassandra.triggers_dir="$home/triggers" org.apache.cassandra.service.CassandraDaemon
}

# commitlog_sync is batch: a write is acknowledged once its commit log is on disk. With `periodic` it is acknowledged at once, and after a
# SIGKILL the replay reads only up to the last sync marker: acknowledged writes would be lost, and a test could not tell
# that from a defect of the sink. (`group` is as safe and slower: every write waits for the group's window.)
cassandra_configure() {
  local storage ssl native
  storage=$(port_of CASSANDRA_STORAGE_PORT) ssl=$(port_of CASSANDRA_SSL_STORAGE_PORT) native=$(port_of CASSANDRA_PORT)
  cat >"$1/cassandra.yaml" <<END
cluster_name: rowtide
num_tokens: 16
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
data_file_directories: ["$1/data"]
commitlog_directory: "$1/commitlog"
saved_caches_directory: "$1/saved_caches"
hints_directory: "$1/hints"
cdc_raw_directory: "$1/cdc_raw"
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{seeds: "127.0.0.1:$storage"}]
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
storage_port: $storage
ssl_storage_port: $ssl
native_transport_port: $native
start_native_transport: true
endpoint_snitch: SimpleSnitch
commitlog_sync: batch
commitlog_segment_size: 32MiB
commitlog_total_space: 1024MiB
disk_optimization_strategy: ssd
auto_snapshot: false
auto_bootstrap: false
memtable_heap_space: 128MiB
memtable_offheap_space: 128MiB
key_cache_size: 16MiB
file_cache_size: 64MiB
networking_cache_size: 16MiB
concurrent_reads: 16
concurrent_writes: 32
concurrent_compactors: 1
read_request_timeout: 10000ms
range_request_timeout: 20000ms
write_request_timeout: 10000ms
request_timeout: 20000ms
END
}

# cql STATEMENT… (or - for those on standard input): CQL without cqlsh (which needs Python), by the driver among the server's own jars; see Cql.java.
cql() {
  require jdk17
  CLASSPATH="$LIB/cassandra/*" "$(find_jdk17)/bin/java" -Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData \
    "$HERE/lib/Cql.java" 127.0.0.1 "$(port_of CASSANDRA_PORT)" "$@"
}

# Loads sql/cassandra.
cassandra_init() {
  cat "$HERE"/../sql/cassandra/*.cql | cql - || die "Cassandra refused sql/cassandra/*.cql (see above)"
  say "cassandra: sql/cassandra loaded"
}
