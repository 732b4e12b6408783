// All components at once. Each can be had alone as well.

export { noteSharing } from "./base.js";
import "./nl-nudge.js";
import "./nl-help.js";
import "./nl-report.js";
import "./nl-before-you-send.js";
import "./nl-blur.js";
