// Runs CQL and prints what it yields, one row a line with tabs between the cells: cqlsh for a machine without Python. As there,
// null is `null`, and bytes are hexadecimal digits behind `0x`.
// `java Cql.java HOST PORT STATEMENT…`, with the server's jars on the class path. In place of the statements, `-` reads
// them from standard input, and `-i` answers each as soon as its semicolon is read: its rows, then a line `\.`.

import com.datastax.driver.core.Cluster;
import com.datastax.driver.core.QueryOptions;
import com.datastax.driver.core.ResultSet;
import com.datastax.driver.core.Row;
import com.datastax.driver.core.Session;
import com.datastax.driver.core.SocketOptions;
import com.datastax.driver.core.exceptions.DriverException;
import com.datastax.driver.core.utils.Bytes;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

public class Cql {
    /** Creating a table waits for the schema to agree and may be slow on a busy machine. */
    private static final int READ_TIMEOUT_MS = 60_000;
    /** Rows held at once: large ones have to fit a small heap. */
    private static final int FETCHED_ROWS = 500;
    /** Text is UTF-8 whatever the machine's language is. */
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    public static void main(String[] arguments) throws IOException {
        var log = (ch.qos.logback.classic.Logger) LoggerFactory.getLogger(Logger.ROOT_LOGGER_NAME);
        log.setLevel(ch.qos.logback.classic.Level.ERROR);
        var options = new SocketOptions().setReadTimeoutMillis(READ_TIMEOUT_MS);
        var queries = new QueryOptions().setFetchSize(FETCHED_ROWS);
        try (Cluster cluster = Cluster.builder().addContactPoint(arguments[0]).withPort(Integer.parseInt(arguments[1]))
                        .withQueryOptions(queries).withSocketOptions(options).withoutJMXReporting().withoutMetrics()
                        .build();
                Session session = cluster.connect()) {
            var given = List.of(arguments).subList(2, arguments.length);
            boolean answers = given.equals(List.of("-i"));
            if (answers || given.equals(List.of("-"))) {
                var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
                for (String statement = next(input); statement != null; statement = next(input)) {
                    print(session.execute(statement));
                    if (answers) {
                        OUT.println("\\.");
                    }
                }
            } else {
                for (String statement : given) {
                    print(session.execute(statement));
                }
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
                Object cell = row.getObject(i);
                line.append(i == 0 ? "" : "\t").append(cell instanceof ByteBuffer bytes ? Bytes.toHexString(bytes) : cell);
            }
            OUT.println(line);
        }
    }

    /**
     * The next statement that is not blank; null at the end. Statements end at a semicolon outside of quotes; comments
     * (`--`, `//` to the end of the line) go.
     */
    private static String next(Reader input) throws IOException {
        var statement = new StringBuilder();
        char quote = 0;
        for (int read = input.read(); read >= 0; read = input.read()) {
            char c = (char) read;
            boolean doubled = !statement.isEmpty() && statement.charAt(statement.length() - 1) == c;
            if (quote == 0 && c == ';') {
                if (!statement.toString().isBlank()) {
                    return statement.toString();
                }
                statement.setLength(0);
            } else if (quote == 0 && doubled && (c == '-' || c == '/')) {
                statement.setCharAt(statement.length() - 1, '\n');
                while (read >= 0 && read != '\n') {
                    read = input.read();
                }
            } else {
                if (c == quote) {
                    quote = 0;
                } else if (quote == 0 && (c == '\'' || c == '"')) {
                    quote = c;
                }
                statement.append(c);
            }
        }
        return statement.toString().isBlank() ? null : statement.toString();
    }
}
