// Reads a picture with Mono (on Debian and Ubuntu: mono-devel); .NET compiles the same file:
//
//   export ZIYAN_URL=http://127.0.0.1:8000 ZIYAN_APPCODE=…
//   mcs -r:System.Net.Http -r:System.Runtime.Serialization Sample.cs && mono Sample.exe picture.jpg
using System;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Runtime.Serialization;
using System.Runtime.Serialization.Json;
using System.Text;
using System.Threading.Tasks;

[DataContract]
public class Answer
{
    [DataMember(Name = "msg")]
    public string Message { get; set; }

    [DataMember(Name = "data")]
    public string Data { get; set; }
}

public static class Sample
{
    public static void Main(string[] args)
    {
        Console.OutputEncoding = new UTF8Encoding(false);
        // Where Main just returns, Mono now and then waits a minute for threads that have nothing left to do.
        Environment.Exit(Read(args[0]).GetAwaiter().GetResult());
    }

    private static async Task<int> Read(string path)
    {
        // The +, / and = of base64 have to be escaped. FormUrlEncodedContent of the .NET Framework cannot: it gives
        // up on values of more than 64 KiB.
        string form = "img=" + WebUtility.UrlEncode(Convert.ToBase64String(File.ReadAllBytes(path)));
        var content = new StringContent(form, Encoding.UTF8, "application/x-www-form-urlencoded");
        using (var client = new HttpClient { Timeout = TimeSpan.FromSeconds(60) })
        {
            client.DefaultRequestHeaders.TryAddWithoutValidation(
                "Authorization", "APPCODE " + Environment.GetEnvironmentVariable("ZIYAN_APPCODE"));
            string url = Environment.GetEnvironmentVariable("ZIYAN_URL") + "/ocr";
            using (HttpResponseMessage response = await client.PostAsync(url, content))
            {
                int status = (int)response.StatusCode;
                if (status == 200)
                {
                    Console.WriteLine((await Parse(response)).Data);
                    return 0;
                }
                // 666: the request itself is at fault, and the body says why. Everything else is told in a header.
                string message = status == 666 ? (await Parse(response)).Message : GatewayMessage(response);
                Console.Error.WriteLine("{0}: {1}", status, message);
                return 1;
            }
        }
    }

    private static async Task<Answer> Parse(HttpResponseMessage response)
    {
        using (Stream body = await response.Content.ReadAsStreamAsync())
        {
            return (Answer)new DataContractJsonSerializer(typeof(Answer)).ReadObject(body);
        }
    }

    private static string GatewayMessage(HttpResponseMessage response)
    {
        System.Collections.Generic.IEnumerable<string> values;
        return response.Headers.TryGetValues("X-Ca-Error-Message", out values) ? values.First() : response.ReasonPhrase;
    }
}
