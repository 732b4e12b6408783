// What a picture's file is told by: SHA-256 of its bytes and, where it can be decoded and has structure, PDQ of what is seen.
// Nothing here knows the network.

import { MIN_SIDE, Pdq } from "./pdq.js";
import { sha256 } from "./sha256.js";

const MIN_QUALITY = 50; // below, a picture is too featureless to match by likeness (Meta's recommendation)
const STRIP = 1 << 20; // pixels read back at a time
const MOST_PIXELS = 50e6; // decoded larger than that, a picture fills the memory of a phone
const BOUNDED_SIDE = 2048;
const JPEG_SIDE = 512;

// `{sha256, pdq, quality, exact}`; `exact` says why there is no pdq: "video", "unreadable", "plain" or "browser".
export async function hashFile(file) {
  const digest = await sha256(file);
  const exactly = (exact) => ({ sha256: digest, pdq: null, quality: null, exact });
  const head = new Uint8Array(await file.slice(0, 64 * 1024).arrayBuffer());
  if (file.type.startsWith("video/") || isVideo(head)) return exactly("video");
  if (!readsBackTruly()) return exactly("browser");
  let bitmap;
  try {
    bitmap = await decoded(file, head);
  } catch {
    return exactly("unreadable");
  }
  try {
    if (Math.min(bitmap.width, bitmap.height) < MIN_SIDE) return exactly("unreadable");
    const { hash, quality } = pdqOf(bitmap, head[0] === 0xff && head[1] === 0xd8);
    return quality < MIN_QUALITY ? exactly("plain") : { sha256: digest, pdq: hash, quality, exact: null };
  } catch {
    return exactly("unreadable");
  } finally {
    bitmap.close();
  }
}

// Nightlight decodes a JPEG at the smallest of 1, 1/2, 1/4 and 1/8 that leaves both sides 512 long. So do we, by means: the two hashes
// of one file come nearer by it.
function pdqOf(bitmap, jpeg) {
  let scale = 1;
  while (jpeg && scale < 8 && Math.min(bitmap.width, bitmap.height) >= JPEG_SIDE * scale * 2) scale *= 2;
  const width = Math.ceil(bitmap.width / scale), height = Math.ceil(bitmap.height / scale);
  const pdq = new Pdq(width, height);
  const lines = Math.max(scale, Math.floor(STRIP / bitmap.width / scale) * scale);
  const context = canvasOf(bitmap.width, Math.min(lines, bitmap.height)).getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  context.imageSmoothingEnabled = false;
  context.fillStyle = "#ffffff"; // what is transparent is seen on white, as Nightlight does
  for (let top = 0; top < bitmap.height; top += lines) {
    const count = Math.min(lines, bitmap.height - top);
    context.fillRect(0, 0, bitmap.width, count);
    context.drawImage(bitmap, 0, top, bitmap.width, count, 0, 0, bitmap.width, count);
    const { data } = context.getImageData(0, 0, bitmap.width, count);
    if (scale === 1) pdq.lines(data);
    else shrunk(data, bitmap.width, count, scale, (luma) => pdq.row(luma));
  }
  return pdq.finish();
}

// Lines of luma, each the means of squares of `scale` by `scale` pixels; at the right and lower edges of what is left of them.
function shrunk(rgba, width, height, scale, take) {
  const across = Math.ceil(width / scale);
  const luma = new Float64Array(across);
  for (let top = 0; top < height; top += scale) {
    luma.fill(0);
    const down = Math.min(scale, height - top);
    for (let y = top; y < top + down; y++)
      for (let x = 0, p = 4 * y * width; x < width; x++, p += 4)
        luma[(x / scale) | 0] += 0.299 * rgba[p] + 0.587 * rgba[p + 1] + 0.114 * rgba[p + 2];
    for (let i = 0; i < across; i++) luma[i] /= down * Math.min(scale, width - i * scale);
    take(luma);
  }
}

async function decoded(file, head) {
  const asSeen = { imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "default" };
  const pixels = declaredPixels(head);
  if (pixels <= MOST_PIXELS) {
    try {
      return await createImageBitmap(file, asSeen);
    } catch (error) {
      if (error instanceof TypeError) return await createImageBitmap(file); // a browser that knows no such options
    }
  }
  return await createImageBitmap(file, { ...asSeen, resizeWidth: BOUNDED_SIDE, resizeQuality: "high" });
}

// As far as the head of a PNG or JPEG says; 0 where it does not.
function declaredPixels(head) {
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  if (head.length > 24 && view.getUint32(0) === 0x89504e47) return view.getUint32(16) * view.getUint32(20);
  if (head.length > 4 && view.getUint16(0) === 0xffd8) {
    for (let at = 2; at + 9 < head.length && head[at] === 0xff; at += 2 + view.getUint16(at + 2)) {
      const mark = head[at + 1];
      if (mark >= 0xc0 && mark <= 0xcf && mark !== 0xc4 && mark !== 0xc8 && mark !== 0xcc) return view.getUint16(at + 5) * view.getUint16(at + 7);
    }
  }
  return 0;
}

const PICTURE_BRANDS = ["avif", "avis", "heic", "heix", "mif1", "msf1"];

// MP4 and MOV (ISO base media), WebM and Matroska, AVI.
function isVideo(head) {
  const text = (from, to) => String.fromCharCode(...head.subarray(from, to));
  if (text(4, 8) === "ftyp") return !PICTURE_BRANDS.includes(text(8, 12));
  return (head[0] === 0x1a && head[1] === 0x45 && head[2] === 0xdf && head[3] === 0xa3) || (text(0, 4) === "RIFF" && text(8, 12) === "AVI ");
}

// Some browsers give out altered pixels, to be told apart less easily. A hash of those would match nothing.
export function readsBackTruly() {
  const side = 16;
  const context = canvasOf(side, side).getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  const given = context.createImageData(side, side);
  for (let p = 0; p < given.data.length; p += 4) {
    given.data[p] = (p * 7) & 255;
    given.data[p + 1] = (p * 3 + 40) & 255;
    given.data[p + 2] = (p + 90) & 255;
    given.data[p + 3] = 255;
  }
  context.putImageData(given, 0, 0);
  const read = context.getImageData(0, 0, side, side).data;
  return given.data.every((value, p) => Math.abs(value - read[p]) <= 2);
}

function canvasOf(width, height) {
  if (globalThis.OffscreenCanvas) return new OffscreenCanvas(width, height);
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}
