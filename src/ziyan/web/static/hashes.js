// MD5, SHA-256 and HMAC of text. Browsers have no MD5 for pages, and the rest only over HTTPS; these work everywhere.
const bytesOf = (text) => new TextEncoder().encode(text)
const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
const rotate = (value, by) => (value << by) | (value >>> (32 - by))

// RFC 1321: shifts of each round, and the sines of 1 to 64.
const SHIFTS = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]]
const SINES = Array.from({ length: 64 }, (_, index) => Math.floor(Math.abs(Math.sin(index + 1)) * 2 ** 32))

// The message, 0x80, zeros, and its length in bits, in whole blocks of 64 bytes.
function padded(message, littleEndian) {
  const blocks = new Uint8Array(Math.ceil((message.length + 9) / 64) * 64)
  blocks.set(message)
  blocks[message.length] = 0x80
  const view = new DataView(blocks.buffer)
  const [low, high] = [(message.length * 8) >>> 0, Math.floor(message.length / 2 ** 29)]
  view.setUint32(blocks.length - 8, littleEndian ? low : high, littleEndian)
  view.setUint32(blocks.length - 4, littleEndian ? high : low, littleEndian)
  return view
}

function output(words, littleEndian) {
  const view = new DataView(new ArrayBuffer(words.length * 4))
  words.forEach((word, index) => view.setUint32(index * 4, word, littleEndian))
  return new Uint8Array(view.buffer)
}

export function md5(text) {
  const view = padded(bytesOf(text), true)
  const state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476]
  for (let block = 0; block < view.byteLength; block += 64) {
    let [a, b, c, d] = state
    for (let step = 0; step < 64; step += 1) {
      const round = step >> 4
      const mixed = [(b & c) | (~b & d), (d & b) | (~d & c), b ^ c ^ d, c ^ (b | ~d)][round]
      const place = [step, 5 * step + 1, 3 * step + 5, 7 * step][round] % 16
      const sum = (a + mixed + SINES[step] + view.getUint32(block + place * 4, true)) | 0
      ;[a, b, c, d] = [d, (b + rotate(sum, SHIFTS[round][step % 4])) | 0, b, c]
    }
    ;[a, b, c, d].forEach((value, index) => (state[index] = (state[index] + value) | 0))
  }
  return hex(output(state, true))
}

// FIPS 180-4: the fractional parts of roots of the first 64 primes.
const PRIMES = []
for (let number = 2; PRIMES.length < 64; number += 1) if (PRIMES.every((prime) => number % prime)) PRIMES.push(number)
const fraction = (value) => Math.floor((value - Math.floor(value)) * 2 ** 32)
const ROUNDS = PRIMES.map((prime) => fraction(Math.cbrt(prime)))
const START = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)))

function sha256(message) {
  const view = padded(message, false)
  const state = [...START]
  const words = new Int32Array(64)
  const right = (value, by) => rotate(value, 32 - by)
  for (let block = 0; block < view.byteLength; block += 64) {
    for (let index = 0; index < 64; index += 1) {
      if (index < 16) words[index] = view.getInt32(block + index * 4)
      else {
        const [early, late] = [words[index - 15], words[index - 2]]
        words[index] = words[index - 16] + (right(early, 7) ^ right(early, 18) ^ (early >>> 3)) + words[index - 7] + (right(late, 17) ^ right(late, 19) ^ (late >>> 10))
      }
    }
    let [a, b, c, d, e, f, g, h] = state
    for (let index = 0; index < 64; index += 1) {
      const one = (h + (right(e, 6) ^ right(e, 11) ^ right(e, 25)) + ((e & f) ^ (~e & g)) + ROUNDS[index] + words[index]) | 0
      const two = ((right(a, 2) ^ right(a, 13) ^ right(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0
      ;[a, b, c, d, e, f, g, h] = [(one + two) | 0, a, b, c, (d + one) | 0, e, f, g]
    }
    ;[a, b, c, d, e, f, g, h].forEach((value, index) => (state[index] = (state[index] + value) | 0))
  }
  return output(state, false)
}

export function hmacSha256(text, secret) {
  let key = bytesOf(secret)
  if (key.length > 64) key = sha256(key)
  const pad = (byte) => Uint8Array.from({ length: 64 }, (_, index) => (key[index] ?? 0) ^ byte)
  const joined = (first, second) => Uint8Array.from([...first, ...second])
  return hex(sha256(joined(pad(0x5c), sha256(joined(pad(0x36), bytesOf(text))))))
}
