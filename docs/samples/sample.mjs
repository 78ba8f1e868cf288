// Reads a picture with Node.js, 18 or newer:
//
//   export ZIYAN_URL=http://127.0.0.1:8000 ZIYAN_APPCODE=…
//   node sample.mjs picture.jpg
import { readFile } from 'node:fs/promises'

const picture = await readFile(process.argv[2])
const response = await fetch(`${process.env.ZIYAN_URL}/ocr`, {
  method: 'POST',
  headers: { Authorization: `APPCODE ${process.env.ZIYAN_APPCODE}` },
  // URLSearchParams escapes the +, / and = of base64, and sets the Content-Type.
  body: new URLSearchParams({ img: picture.toString('base64') }),
  signal: AbortSignal.timeout(60_000),
})

if (response.status === 200) {
  console.log((await response.json()).data)
} else {
  // 666: the request itself is at fault, and the body says why. Everything else is told in a header.
  const message =
    response.status === 666 ? (await response.json()).msg : response.headers.get('X-Ca-Error-Message')
  console.error(`${response.status}: ${message}`)
  process.exitCode = 1
}
