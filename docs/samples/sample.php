<?php
// Reads a picture with PHP and its curl extension:
//
//   export ZIYAN_URL=http://127.0.0.1:8000 ZIYAN_APPCODE=…
//   php sample.php picture.jpg

$gatewayMessage = '';
$curl = curl_init(getenv('ZIYAN_URL') . '/ocr');
curl_setopt_array($curl, [
    CURLOPT_HTTPHEADER => ['Authorization: APPCODE ' . getenv('ZIYAN_APPCODE')],
    // http_build_query escapes the +, / and = of base64.
    CURLOPT_POSTFIELDS => http_build_query(['img' => base64_encode(file_get_contents($argv[1]))]),
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_TIMEOUT => 60,
    CURLOPT_HEADERFUNCTION => function ($curl, $line) use (&$gatewayMessage) {
        if (stripos($line, 'X-Ca-Error-Message:') === 0) {
            $gatewayMessage = trim(substr($line, strlen('X-Ca-Error-Message:')));
        }
        return strlen($line);
    },
]);
$body = curl_exec($curl);
if ($body === false) {
    fwrite(STDERR, curl_error($curl) . "\n");
    exit(1);
}

$status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
if ($status === 200) {
    echo json_decode($body)->data, "\n";
    exit(0);
}
// 666: the request itself is at fault, and the body says why. Everything else is told in a header.
$message = $status === 666 ? json_decode($body)->msg : $gatewayMessage;
fwrite(STDERR, "$status: $message\n");
exit(1);
