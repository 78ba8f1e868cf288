// A file → what is sent: as it is if it may be, else a smaller copy, made in the browser.
export const KINDS = ['image/jpeg', 'image/png', 'image/gif']
const LONGEST_SIDE = 4096
const MOST_PIXELS = 16_000_000 // what phones give a canvas
const SMALLEST_SCALE = 0.05
const QUALITIES = [0.92, 0.85, 0.75]

export class PictureError extends Error {
  constructor(why) {
    super(why)
    this.why = why
  }
}

// {blob, name, width, height, url, shrunk, converted}; url is empty where the browser cannot show it.
// limit: bytes that may be sent. anyKind: kinds that the browser cannot read may be sent too, up to mostBytes.
export async function prepare(file, { limit, anyKind, mostBytes }) {
  const kind = await kindOf(file)
  if (!kind && !looksLikePicture(file)) throw new PictureError('not_picture')
  let bitmap
  try {
    bitmap = await decoded(file)
  } catch {
    return unseen(file, kind, { limit, anyKind, mostBytes })
  }
  try {
    const given = { width: bitmap.width, height: bitmap.height, size: file.size }
    if (KINDS.includes(kind) && file.size <= limit) {
      return { blob: file, ...given, url: URL.createObjectURL(file), shrunk: false, converted: false }
    }
    const copy = await shrink(bitmap, limit)
    const shrunk = copy.width < given.width || file.size > limit
    return { ...copy, url: URL.createObjectURL(copy.blob), given, shrunk, converted: !shrunk }
  } finally {
    bitmap.close?.()
  }
}

// Upright. Older browsers turn no bitmap, but pictures; those of no size, as some SVG are, cannot be drawn.
async function decoded(file) {
  try {
    return await createImageBitmap(file, { imageOrientation: 'from-image' })
  } catch {
    const image = new Image()
    image.src = URL.createObjectURL(file)
    try {
      await image.decode()
      if (!image.width || !image.height) throw new PictureError('unreadable')
      return image
    } finally {
      URL.revokeObjectURL(image.src)
    }
  }
}

// A picture that the browser cannot show may be one that the service can read.
function unseen(file, kind, { limit, anyKind, mostBytes }) {
  if (kind ? file.size > limit : !anyKind) throw new PictureError('unreadable')
  if (file.size > mostBytes) throw new PictureError('too_large')
  return { blob: file, width: 0, height: 0, size: file.size, url: '', shrunk: false, converted: false }
}

async function shrink(bitmap, limit) {
  let scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height))
  scale = Math.min(scale, Math.sqrt(MOST_PIXELS / (bitmap.width * bitmap.height)))
  for (; scale > SMALLEST_SCALE; scale *= 0.8) {
    const canvas = drawn(bitmap, scale)
    for (const quality of QUALITIES) {
      const blob = await new Promise((done) => canvas.toBlob(done, 'image/jpeg', quality))
      if (!blob) throw new PictureError('too_large')
      if (blob.size <= limit) return { blob, width: canvas.width, height: canvas.height, size: blob.size }
    }
  }
  throw new PictureError('too_large')
}

function drawn(bitmap, scale) {
  const canvas = document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(bitmap.width * scale))
  canvas.height = Math.max(1, Math.round(bitmap.height * scale))
  const context = canvas.getContext('2d')
  context.fillStyle = '#fff' // under what is transparent
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.imageSmoothingQuality = 'high'
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height)
  return canvas
}

// By its first bytes, as the service judges it: names and types lie.
async function kindOf(file) {
  const bytes = new Uint8Array(await file.slice(0, 6).arrayBuffer())
  const begins = (...values) => values.every((value, index) => bytes[index] === value)
  if (begins(0xff, 0xd8)) return 'image/jpeg'
  if (begins(0x89, 0x50, 0x4e, 0x47)) return 'image/png'
  if (begins(0x47, 0x49, 0x46, 0x38)) return 'image/gif'
  return ''
}

function looksLikePicture(file) {
  return file.type.startsWith('image/') || /\.(heic|heif|avif|webp|bmp|tiff?)$/i.test(file.name)
}
