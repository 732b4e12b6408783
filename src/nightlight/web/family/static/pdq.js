// PDQ, the perceptual hash of Meta's ThreatExchange, as Nightlight computes it (senses/media/pdq.py; Meta, "The TMK+PDQF video-hashing
// algorithm and the PDQ image-hashing algorithm", 2019): luma, two passes of a box filter along each axis (together a tent), 64x64
// samples, the 16x16 lowest frequencies of a cosine transform but the constant ones, a bit for each above their median.
//
// Pixels come in a few lines at a time, so that a picture of a phone's camera needs no second copy in memory.

const SIDE = 64;
const FREQUENCIES = 16;
const WINDOWS = 2 * SIDE;
export const MIN_SIDE = 5;
// By how much a frequency must exceed the median: less is rounding, and the hash of a flat picture would be noise.
const ABOVE = 1e-6;

// For each of the 64 samples along an axis of `side` pixels: where its tent starts, and its weights, which add up to one.
function tents(side) {
  const window = Math.floor((side + WINDOWS - 1) / WINDOWS);
  const ahead = Math.floor((window + 2) / 2);
  const out = [];
  for (let sample = 0; sample < SIDE; sample++) {
    const centre = Math.floor(((2 * sample + 1) * side) / WINDOWS);
    const first = Math.max(0, centre + ahead - window), last = Math.min(side, centre + ahead);
    const start = Math.max(0, first + ahead - window);
    const weights = new Float64Array(Math.min(side, last - 1 + ahead) - start);
    for (let i = first; i < last; i++) {
      const low = Math.max(0, i + ahead - window), high = Math.min(side, i + ahead);
      const share = 1 / ((last - first) * (high - low));
      for (let k = low; k < high; k++) weights[k - start] += share;
    }
    out.push({ start, weights });
  }
  return out;
}

// Takes the lines of a picture from top to bottom, then says its hash.
export class Pdq {
  #width;
  #height;
  #columns;
  #rows;
  #small = new Float64Array(SIDE * SIDE);
  #line = new Float64Array(SIDE);
  #luma;
  #y = 0;

  constructor(width, height) {
    if (Math.min(width, height) < MIN_SIDE) throw new RangeError("too small");
    this.#width = width;
    this.#height = height;
    this.#columns = tents(width);
    this.#rows = tents(height);
    this.#luma = new Float64Array(width);
  }

  // `rgba`: whole lines, four bytes a pixel, nothing transparent.
  lines(rgba) {
    const width = this.#width;
    for (let at = 0; at + 4 * width <= rgba.length && this.#y < this.#height; at += 4 * width) {
      for (let x = 0, p = at; x < width; x++, p += 4) this.#luma[x] = 0.299 * rgba[p] + 0.587 * rgba[p + 1] + 0.114 * rgba[p + 2]; // ITU-R BT.601
      this.row(this.#luma);
    }
  }

  // One line of luma, 0 to 255.
  row(luma) {
    const y = this.#y++;
    let sampled = false;
    for (let r = 0; r < SIDE; r++) {
      const { start, weights } = this.#rows[r];
      if (y < start || y >= start + weights.length) continue;
      if (!sampled) {
        sampled = true;
        for (let c = 0; c < SIDE; c++) {
          const column = this.#columns[c];
          let total = 0;
          for (let k = 0, x = column.start; k < column.weights.length; k++, x++) total += column.weights[k] * luma[x];
          this.#line[c] = total;
        }
      }
      const weight = weights[y - start];
      for (let c = 0; c < SIDE; c++) this.#small[r * SIDE + c] += weight * this.#line[c];
    }
  }

  // `{hash, quality}`: 64 hexadecimal digits, and 0 (featureless) to 100.
  finish() {
    return { hash: hashOf(frequencies(this.#small)), quality: qualityOf(this.#small) };
  }
}

function qualityOf(small) {
  let gradient = 0;
  const step = (a, b) => Math.abs(Math.trunc(((small[a] - small[b]) * 100) / 255));
  for (let r = 0; r < SIDE; r++) {
    for (let c = 0; c < SIDE; c++) {
      const at = r * SIDE + c;
      if (r + 1 < SIDE) gradient += step(at, at + SIDE);
      if (c + 1 < SIDE) gradient += step(at, at + 1);
    }
  }
  return Math.min(100, Math.floor(gradient / 90));
}

function frequencies(small) {
  const matrix = Array.from({ length: FREQUENCIES }, (_, i) =>
    Float64Array.from({ length: SIDE }, (_, j) => Math.sqrt(2 / SIDE) * Math.cos((Math.PI / (2 * SIDE)) * (i + 1) * (2 * j + 1))));
  const half = new Float64Array(FREQUENCIES * SIDE);
  for (let i = 0; i < FREQUENCIES; i++)
    for (let k = 0; k < SIDE; k++)
      for (let j = 0; j < SIDE; j++) half[i * SIDE + j] += matrix[i][k] * small[k * SIDE + j];
  const out = new Float64Array(FREQUENCIES * FREQUENCIES);
  for (let i = 0; i < FREQUENCIES; i++)
    for (let j = 0; j < FREQUENCIES; j++)
      for (let k = 0; k < SIDE; k++) out[i * FREQUENCIES + j] += half[i * SIDE + k] * matrix[j][k];
  return out;
}

function hashOf(values) {
  const median = values.slice().sort()[values.length / 2 - 1]; // the lower one, as in the reference
  let hash = "";
  for (let nibble = values.length / 4 - 1; nibble >= 0; nibble--) {
    let digit = 0;
    for (let bit = 0; bit < 4; bit++) if (values[4 * nibble + bit] > median + ABOVE) digit |= 1 << bit;
    hash += digit.toString(16);
  }
  return hash;
}
