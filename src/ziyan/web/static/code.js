// The call that was made, as code to copy. Names and addresses are the reader's own text: each is quoted for its language.
import { pathOf } from './api.js'

const q = JSON.stringify // also a string of Python, JavaScript, Java, Go and C#
const sh = (text) => `'${text.replaceAll("'", `'\\''`)}'`
const php = (text) => `'${text.replace(/[\\']/g, '\\$&')}'`

// what: {api, model, origin, appcode, name | url, blocks}
export const LANGUAGES = {
  curl: { label: 'curl', make: curl },
  python: { label: 'Python', make: python },
  javascript: { label: 'JavaScript', make: javascript },
  php: { label: 'PHP', make: phpCode },
  java: { label: 'Java', make: java },
  go: { label: 'Go', make: go },
  csharp: { label: 'C#', make: csharp },
}

const path = pathOf
const auth = ({ appcode }) => `APPCODE ${appcode}`

function curl(what) {
  const start = `curl -H ${sh(`Authorization: ${auth(what)}`)} \\\n`
  const end = `  ${sh(what.origin + path(what))}`
  if (what.api === 'v1') {
    const body = what.url
      ? `  -H 'Content-Type: application/json' \\\n  -d ${sh(q({ url: what.url }))} \\\n`
      : `  -H 'Content-Type: application/octet-stream' \\\n  --data-binary ${sh(`@${what.name}`)} \\\n`
    return start + body + end
  }
  const ver = what.blocks ? '  -d ver=1 \\\n' : ''
  if (what.url) return `${start}  --data-urlencode ${sh(`url=${what.url}`)} \\\n${ver}${end}`
  return `base64 < ${sh(what.name)} | ${start}  --data-urlencode img@- \\\n${ver}${end}`
}

function python(what) {
  const fields = what.blocks ? ', "ver": "1"' : ''
  const read = `Path(${q(what.name)}).read_bytes()`
  let body = what.url ? `    json={"url": ${q(what.url)}},` : `    data=${read},`
  if (what.api === 'ocr') {
    body = what.url ? `    data={"url": ${q(what.url)}${fields}},` : `    data={"img": base64.b64encode(${read})${fields}},`
  }
  const imports = what.url ? '' : `${what.api === 'ocr' ? 'import base64\n' : ''}from pathlib import Path\n\n`
  const type = what.api === 'v1' && !what.url ? ', "Content-Type": "application/octet-stream"' : ''
  return `${imports}import requests

answer = requests.post(
    ${q(what.origin + path(what))},
    headers={"Authorization": ${q(auth(what))}${type}},
${body}
    timeout=60,
)
print(answer.status_code, answer.text)
`
}

function javascript(what) {
  const read = `await readFile(${q(what.name)})`
  let type = what.url ? ", 'Content-Type': 'application/json'" : ", 'Content-Type': 'application/octet-stream'"
  let body = what.url ? `JSON.stringify({ url: ${q(what.url)} })` : read
  if (what.api === 'ocr') {
    const fields = what.blocks ? ", ver: '1'" : ''
    type = ''
    body = `new URLSearchParams({ ${what.url ? `url: ${q(what.url)}` : `img: (${read}).toString('base64')`}${fields} })`
  }
  return `${what.url ? '' : "import { readFile } from 'node:fs/promises'\n\n"}const answer = await fetch(${q(what.origin + path(what))}, {
  method: 'POST',
  headers: { Authorization: ${q(auth(what))}${type} },
  body: ${body},
})
console.log(answer.status, await answer.text())
`
}

function phpCode(what) {
  const read = `file_get_contents(${php(what.name ?? '')})`
  const headers = [php(`Authorization: ${auth(what)}`)]
  let body = what.url ? `json_encode(['url' => ${php(what.url)}])` : read
  if (what.api === 'ocr') {
    const fields = what.blocks ? ", 'ver' => '1'" : ''
    body = `http_build_query([${what.url ? `'url' => ${php(what.url)}` : `'img' => base64_encode(${read})`}${fields}])`
  } else {
    headers.push(`'Content-Type: application/${what.url ? 'json' : 'octet-stream'}'`)
  }
  return `<?php
$curl = curl_init(${php(what.origin + path(what))});
curl_setopt_array($curl, [
    CURLOPT_HTTPHEADER => [${headers.join(', ')}],
    CURLOPT_POSTFIELDS => ${body},
    CURLOPT_RETURNTRANSFER => true,
]);
$answer = curl_exec($curl);
echo curl_getinfo($curl, CURLINFO_RESPONSE_CODE), ' ', $answer, "\\n";
`
}

function formParts(what, encode, base64) {
  const value = what.url ? encode(q(what.url)) : encode(base64(q(what.name)))
  return `"${what.url ? 'url' : 'img'}=" + ${value}${what.blocks ? ' + "&ver=1"' : ''}`
}

function java(what) {
  const form = what.api === 'ocr'
  const file = (name) => `Files.readAllBytes(Path.of(${name}))`
  const body = form
    ? `BodyPublishers.ofString(${formParts(what, (v) => `URLEncoder.encode(${v}, "UTF-8")`, (v) => `Base64.getEncoder().encodeToString(${file(v)})`)})`
    : what.url ? `BodyPublishers.ofString(${q(q({ url: what.url }))})` : `BodyPublishers.ofFile(Path.of(${q(what.name)}))`
  const type = form ? 'x-www-form-urlencoded' : what.url ? 'json' : 'octet-stream'
  return `import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;

public class Read {
    public static void main(String[] args) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(${q(what.origin + path(what))}))
                .header("Authorization", ${q(auth(what))})
                .header("Content-Type", "application/${type}")
                .POST(${body})
                .build();
        var answer = HttpClient.newHttpClient().send(request, BodyHandlers.ofString());
        System.out.println(answer.statusCode() + " " + answer.body());
    }
}
`
}

function go(what) {
  const form = what.api === 'ocr'
  const key = what.url ? 'url' : 'img'
  const value = what.url ? q(what.url) : 'base64.StdEncoding.EncodeToString(picture)'
  const fields = `url.Values{"${key}": {${value}}${what.blocks ? ', "ver": {"1"}' : ''}}.Encode()`
  const body = form ? `strings.NewReader(${fields})` : what.url ? `strings.NewReader(${q(q({ url: what.url }))})` : 'bytes.NewReader(picture)'
  const imports = ['fmt', 'io', 'net/http', ...(what.url ? [] : ['os']), ...(form ? ['net/url', 'strings'] : what.url ? ['strings'] : ['bytes']), ...(form && !what.url ? ['encoding/base64'] : [])]
  const type = form ? 'x-www-form-urlencoded' : what.url ? 'json' : 'octet-stream'
  return `package main

import (
${imports.sort().map((name) => `\t"${name}"`).join('\n')}
)

func main() {
${what.url ? '' : `\tpicture, err := os.ReadFile(${q(what.name)})\n\tif err != nil {\n\t\tpanic(err)\n\t}\n`}\trequest, err := http.NewRequest("POST", ${q(what.origin + path(what))}, ${body})
\tif err != nil {
\t\tpanic(err)
\t}
\trequest.Header.Set("Authorization", ${q(auth(what))})
\trequest.Header.Set("Content-Type", "application/${type}")
\tanswer, err := http.DefaultClient.Do(request)
\tif err != nil {
\t\tpanic(err)
\t}
\tdefer answer.Body.Close()
\ttext, _ := io.ReadAll(answer.Body)
\tfmt.Println(answer.StatusCode, string(text))
}
`
}

function csharp(what) {
  const form = what.api === 'ocr'
  const file = (name) => `File.ReadAllBytes(${name})`
  const parts = formParts(what, (v) => `WebUtility.UrlEncode(${v})`, (v) => `Convert.ToBase64String(${file(v)})`)
  const text = (value, type) => `new StringContent(${value}, Encoding.UTF8, "application/${type}")`
  const body = form ? text(parts, 'x-www-form-urlencoded') : what.url ? text(q(q({ url: what.url })), 'json') : `new ByteArrayContent(${file(q(what.name))})`
  return `using System;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Text;

public static class Read
{
    public static void Main()
    {
        var client = new HttpClient();
        client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", ${q(auth(what))});
        var answer = client.PostAsync(${q(what.origin + path(what))}, ${body}).Result;
        Console.WriteLine((int)answer.StatusCode + " " + answer.Content.ReadAsStringAsync().Result);
    }
}
`
}
