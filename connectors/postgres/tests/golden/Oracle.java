import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.debezium.embedded.Connect;
import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.DriverManager;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;

/**
 * Prints what Debezium makes of the two scripts beside: debezium.jsonl was made by it, of Debezium 3.6.1.Final and
 * PostgreSQL 15, with the JVM in UTC.
 *
 * lib: the runtime dependencies of io.debezium:debezium-embedded and io.debezium:debezium-connector-postgres (mvn
 * dependency:copy-dependencies). A fresh database: psql -f before.sql. Then
 *
 *   CLASSPATH='lib/*' java -Duser.timezone=UTC Oracle.java oracle.properties during.sql debezium.jsonl
 *
 * where oracle.properties holds name=c, connector.class, offset.storage=org.apache.kafka.connect.storage.MemoryOffsetBackingStore,
 * topic.prefix=p, database.*, plugin.name=pgoutput, publication.autocreate.mode=filtered and skipped.operations=none.
 */
public class Oracle {
    static final ObjectMapper JSON = new ObjectMapper().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS);

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        try (var reader = Files.newBufferedReader(Path.of(arguments[0]))) {
            properties.load(reader);
        }
        String url = "jdbc:postgresql://" + properties.get("database.hostname") + ":" + properties.get("database.port") + "/" + properties.get("database.dbname");
        String[] during = Files.readString(Path.of(arguments[1])).split("\n\n");
        PrintStream out = new PrintStream(Files.newOutputStream(Path.of(arguments[2])), true, StandardCharsets.UTF_8);
        JsonConverter converter = new JsonConverter();
        converter.configure(Map.of("schemas.enable", "true", "replace.null.with.default", "false"), false);
        Map<String, Integer> schemas = new HashMap<>();
        CountDownLatch done = new CountDownLatch(1);
        DebeziumEngine<ChangeEvent<SourceRecord, SourceRecord>> engine = DebeziumEngine.create(Connect.class)
            .using(properties)
            .notifying(event -> {
                SourceRecord record = event.value();
                if (record.topic().equals("p.public.zz_fence")) {
                    int step = ((Struct) record.key()).getInt32("id");
                    if (step == during.length) done.countDown();
                    else new Thread(() -> run(url, during[step], step + 1)).start();
                    return;
                }
                ObjectNode line = JSON.createObjectNode();
                line.put("topic", record.topic());
                line.set("key", datum(converter, record.keySchema(), record.key(), schemas, out));
                line.set("value", datum(converter, record.valueSchema(), record.value(), schemas, out));
                ArrayNode headers = line.putArray("headers");
                record.headers().forEach(header -> headers.addObject().put("name", header.key())
                    .set("is", datum(converter, header.schema(), header.value(), schemas, out)));
                line.putPOJO("partition", record.sourcePartition());
                line.putPOJO("offset", new TreeSet<>(record.sourceOffset().keySet()));
                out.println(line);
            })
            .using((success, message, error) -> {
                System.err.println("ended: " + success + " " + message + " " + error);
                if (error != null) error.printStackTrace();
                done.countDown();
            })
            .build();
        Thread thread = new Thread(engine);
        thread.start();
        done.await();
        engine.close();
        System.exit(0);
    }

    /** Payload, and the number of its schema; a schema is printed when it is first met. */
    static ObjectNode datum(JsonConverter converter, Schema schema, Object value, Map<String, Integer> schemas, PrintStream out) {
        if (schema == null && value == null) return null;
        try {
            ObjectNode datum = (ObjectNode) JSON.readTree(converter.fromConnectData("", schema, value));
            String text = datum.get("schema").toString();
            if (!schemas.containsKey(text)) {
                schemas.put(text, schemas.size());
                out.println("{\"schema\":" + text + "}");
            }
            return datum.put("schema", schemas.get(text));
        } catch (Exception error) {
            throw new RuntimeException(error);
        }
    }

    /** A step of the script, and the fence that calls for the next one once it comes back as a record. */
    static void run(String url, String sql, int next) {
        try (var connection = DriverManager.getConnection(url, "postgres", "x"); var statement = connection.createStatement()) {
            statement.execute(sql);
            statement.execute("INSERT INTO zz_fence VALUES (" + next + ")");
        } catch (Exception error) {
            error.printStackTrace();
            System.exit(1);
        }
    }
}
