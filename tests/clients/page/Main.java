import java.util.HashMap;
import java.util.Map;
import org.apache.http.HttpResponse;
import org.apache.http.util.EntityUtils;

public class Main {
	public static void main(String[] args) {
	    String host = "https://ocr.market.example";
	    String path = "/ocr";
	    String method = "POST";
	    String appcode = "你自己的AppCode";
	    Map<String, String> headers = new HashMap<String, String>();
	    // Authorization:APPCODE 0123456789abcdef0123456789abcdef
	    headers.put("Authorization", "APPCODE " + appcode);
	    headers.put("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8");
	    Map<String, String> querys = new HashMap<String, String>();
	    Map<String, String> bodys = new HashMap<String, String>();
	    bodys.put("img", "图片base64编码");
	    bodys.put("url", "https://www.example.com/images/ocrtest.jpg");
	    bodys.put("ver", "0");

	    try {
	    	HttpResponse response = HttpUtils.doPost(host, path, method, headers, querys, bodys);
	    	System.out.println(response.toString());
	    	System.out.println(EntityUtils.toString(response.getEntity()));
	    } catch (Exception e) {
	    	e.printStackTrace();
	    }
	}
}
