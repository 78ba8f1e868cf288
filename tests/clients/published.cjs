// One call with a published client of the gateway, unmodified.  Its arguments: the name of the client that the package
// exports, how the body is sent, and the picture.  Prints what the client gives back, or what it throws.
const { readFileSync } = require('node:fs')
const gateway = require('aliyun-api-gateway')

const [kind, content, picture] = process.argv.slice(2)
const { ZIYAN_URL, ZIYAN_CREDENTIALS } = process.env
const client = new gateway[kind](...ZIYAN_CREDENTIALS.split(' '))

client
  .post(`${ZIYAN_URL}/ocr`, {
    headers: { 'content-type': gateway[content] },
    data: { img: readFileSync(picture).toString('base64'), url: '', ver: '0' },
    timeout: 60_000,
  })
  .then(
    (answer) => ({ answer }),
    (error) => ({ code: error.code, message: error.message }),
  )
  // It leaves the body of an error unread, and the connection open.
  .then((result) => process.stdout.write(JSON.stringify(result), () => process.exit()))
