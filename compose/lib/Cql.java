// Runs CQL and prints what it yields, one row a line with tabs between the cells: cqlsh for a machine without Python.
// `java Cql.java HOST PORT STATEMENT…`, with the server's jars on the class path; `-` in place of the statements reads
// them from standard input.

import com.datastax.driver.core.Cluster;
import com.datastax.driver.core.ResultSet;
import com.datastax.driver.core.Row;
import com.datastax.driver.core.Session;
import com.datastax.driver.core.SocketOptions;
import com.datastax.driver.core.exceptions.DriverException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

public class Cql {
    /** Creating a table waits for the schema to agree and may be slow on a busy machine. */
    private static final int READ_TIMEOUT_MS = 60_000;

    public static void main(String[] arguments) throws IOException {
        var log = (ch.qos.logback.classic.Logger) LoggerFactory.getLogger(Logger.ROOT_LOGGER_NAME);
        log.setLevel(ch.qos.logback.classic.Level.ERROR);
        List<String> statements = new ArrayList<>(List.of(arguments).subList(2, arguments.length));
        if (statements.equals(List.of("-"))) {
            statements = split(new String(System.in.readAllBytes(), StandardCharsets.UTF_8));
        }
        var options = new SocketOptions().setReadTimeoutMillis(READ_TIMEOUT_MS);
        try (Cluster cluster = Cluster.builder().addContactPoint(arguments[0]).withPort(Integer.parseInt(arguments[1]))
                        .withSocketOptions(options).withoutJMXReporting().withoutMetrics().build();
                Session session = cluster.connect()) {
            for (String statement : statements) {
                print(session.execute(statement));
            }
        } catch (DriverException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        }
    }

    private static void print(ResultSet rows) {
        for (Row row : rows) {
            var line = new StringBuilder();
            for (int i = 0; i < row.getColumnDefinitions().size(); i++) {
                line.append(i == 0 ? "" : "\t").append(row.getObject(i));
            }
            System.out.println(line);
        }
    }

    /** Statements end at a semicolon outside of quotes; comments (`--`, `//` to the end of the line) go. */
    private static List<String> split(String text) {
        List<String> statements = new ArrayList<>();
        var current = new StringBuilder();
        char quote = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (quote == 0 && (text.startsWith("--", i) || text.startsWith("//", i))) {
                int end = text.indexOf('\n', i);
                i = end < 0 ? text.length() : end;
                current.append('\n');
            } else if (quote == 0 && c == ';') {
                statements.add(current.toString());
                current.setLength(0);
            } else {
                if (c == quote) {
                    quote = 0;
                } else if (quote == 0 && (c == '\'' || c == '"')) {
                    quote = c;
                }
                current.append(c);
            }
        }
        statements.add(current.toString());
        statements.removeIf(String::isBlank);
        return statements;
    }
}
