import com.google.gson.JsonParser;
import java.io.PrintStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;

/**
 * Reads a picture with the HTTP client of the JDK (11 or newer) and Gson (on Debian and Ubuntu: libgoogle-gson-java):
 *
 * <pre>
 * export ZIYAN_URL=http://127.0.0.1:8000 ZIYAN_APPCODE=…
 * java -cp /usr/share/java/gson.jar SampleJdk.java picture.jpg
 * </pre>
 */
public class SampleJdk {
    public static void main(String[] args) throws Exception {
        String picture = Base64.getEncoder().encodeToString(Files.readAllBytes(Path.of(args[0])));

        HttpRequest request = HttpRequest.newBuilder(URI.create(System.getenv("ZIYAN_URL") + "/ocr"))
                .timeout(Duration.ofSeconds(60))
                .header("Authorization", "APPCODE " + System.getenv("ZIYAN_APPCODE"))
                .header("Content-Type", "application/x-www-form-urlencoded")
                // The +, / and = of base64 have to be escaped.
                .POST(BodyPublishers.ofString("img=" + URLEncoder.encode(picture, StandardCharsets.UTF_8)))
                .build();
        HttpResponse<String> response = HttpClient.newHttpClient()
                .send(request, BodyHandlers.ofString(StandardCharsets.UTF_8));

        int status = response.statusCode();
        if (status == 200) {
            // Chinese survives whatever encoding the terminal is thought to have.
            new PrintStream(System.out, true, StandardCharsets.UTF_8).println(field(response.body(), "data"));
            return;
        }
        // 666: the request itself is at fault, and the body says why. Everything else is told in a header.
        String message = status == 666
                ? field(response.body(), "msg")
                : response.headers().firstValue("X-Ca-Error-Message").orElse(response.body());
        new PrintStream(System.err, true, StandardCharsets.UTF_8).println(status + ": " + message);
        System.exit(1);
    }

    private static String field(String json, String name) {
        return JsonParser.parseString(json).getAsJsonObject().get(name).getAsString();
    }
}
