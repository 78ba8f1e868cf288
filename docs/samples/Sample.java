import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import org.apache.http.Header;
import org.apache.http.client.config.RequestConfig;
import org.apache.http.client.entity.UrlEncodedFormEntity;
import org.apache.http.client.methods.CloseableHttpResponse;
import org.apache.http.client.methods.HttpPost;
import org.apache.http.impl.client.CloseableHttpClient;
import org.apache.http.impl.client.HttpClients;
import org.apache.http.message.BasicNameValuePair;
import org.apache.http.util.EntityUtils;

/**
 * Reads a picture with Apache HttpClient 4 and Gson (on Debian and Ubuntu: libhttpclient-java, libgoogle-gson-java):
 *
 * <pre>
 * export ZIYAN_URL=http://127.0.0.1:8000 ZIYAN_APPCODE=…
 * java -cp '/usr/share/java/*' Sample.java picture.jpg
 * </pre>
 */
public class Sample {
    public static void main(String[] args) throws Exception {
        String picture = Base64.getEncoder().encodeToString(Files.readAllBytes(Path.of(args[0])));

        HttpPost post = new HttpPost(System.getenv("ZIYAN_URL") + "/ocr");
        post.setConfig(RequestConfig.custom().setConnectTimeout(10_000).setSocketTimeout(60_000).build());
        post.setHeader("Authorization", "APPCODE " + System.getenv("ZIYAN_APPCODE"));
        // The form entity escapes the +, / and = of base64.
        post.setEntity(new UrlEncodedFormEntity(
                List.of(new BasicNameValuePair("img", picture)), StandardCharsets.UTF_8));

        try (CloseableHttpClient client = HttpClients.createDefault();
                CloseableHttpResponse response = client.execute(post)) {
            int status = response.getStatusLine().getStatusCode();
            String body = EntityUtils.toString(response.getEntity(), StandardCharsets.UTF_8);
            if (status == 200) {
                // Chinese survives whatever encoding the terminal is thought to have.
                new PrintStream(System.out, true, StandardCharsets.UTF_8).println(field(body, "data"));
                return;
            }
            // 666: the request itself is at fault, and the body says why. Everything else is told in a header.
            Header header = response.getFirstHeader("X-Ca-Error-Message");
            String message = status == 666 ? field(body, "msg") : header == null ? body : header.getValue();
            new PrintStream(System.err, true, StandardCharsets.UTF_8).println(status + ": " + message);
            System.exit(1);
        }
    }

    private static String field(String json, String name) {
        JsonObject answer = JsonParser.parseString(json).getAsJsonObject();
        return answer.get(name).getAsString();
    }
}
