// Hashes beside the page, so that it stays alive meanwhile. Gets a file, gives what it is told by.

import { hashFile } from "./hash.js";

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ number: data.number, told: await hashFile(data.file) });
  } catch {
    self.postMessage({ number: data.number, told: null });
  }
};
