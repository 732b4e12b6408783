// A worked example of a picture check: does it look like a photograph? It counts neighbours of the same colour. A drawing, a sticker or a
// screenshot of text has many; what a camera made has few. It knows nothing of what a picture shows, and says so in its page.
//
// A check exports `check(bitmap)`, which gives { pause: true } where the person should be asked first, and may export `load(model)`, which
// gets the bytes of the file that `model` names, or null.

let most = 0.6;

export function load(model) {
  if (model) most = Number(JSON.parse(new TextDecoder().decode(model)).same_neighbours);
  if (!(most > 0 && most < 1)) throw new RangeError("same_neighbours is to be between 0 and 1");
}

export function check(bitmap) {
  const width = Math.min(bitmap.width, 256), height = Math.min(bitmap.height, 256);
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false; // smoothing would give a drawing the soft edges of a photograph
  context.drawImage(bitmap, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  let same = 0, pairs = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 1; x < width; x++) {
      const at = 4 * (y * width + x);
      pairs += 1;
      same += data[at] === data[at - 4] && data[at + 1] === data[at - 3] && data[at + 2] === data[at - 2];
    }
  }
  return { pause: pairs === 0 || same / pairs < most };
}
