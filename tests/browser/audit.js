// What a reader would stumble over in the page as it stands now: a list of sentences, empty when all is well.
(() => {
  const found = [];
  const width = document.documentElement.clientWidth;
  const short = element => {
    const said = (element.textContent || element.alt || "").trim().replace(/\s+/g, " ").slice(0, 50);
    return `<${element.tagName.toLowerCase()}${element.className ? "." + element.className : ""}> “${said}”`;
  };
  const shown = element => {
    const style = getComputedStyle(element);
    if (style.display === "none" || style.visibility === "hidden") return false;
    return element.parentElement ? shown(element.parentElement) : true;
  };

  if (document.documentElement.scrollWidth > width) {
    found.push(`overflow: the page is ${document.documentElement.scrollWidth} px wide on ${width}`);
  }
  for (const element of document.body.querySelectorAll("*")) {
    if (!shown(element)) continue;
    const box = element.getBoundingClientRect();
    if (box.width && (box.right > width + 1 || box.left < -1)) {
      found.push(`overflow: ${short(element)} lies from ${Math.round(box.left)} to ${Math.round(box.right)} px`);
    }
  }

  for (const picture of document.images) {
    if (!shown(picture)) continue;
    if (!picture.complete || !picture.naturalWidth) found.push(`picture: ${picture.src} is missing`);
    if (!picture.hasAttribute("alt")) found.push(`picture: ${picture.src} has no alt text`);
  }

  // WCAG 2.2, 1.4.3, on the colours as they are computed; the ground is the nearest that is not transparent.
  const parts = color => {
    const numbers = color.match(/[\d.]+/g).map(Number);
    return { rgb: numbers.slice(0, 3), alpha: numbers.length > 3 ? numbers[3] : 1 };
  };
  const over = (front, back) => front.rgb.map((part, at) => part * front.alpha + back[at] * (1 - front.alpha));
  const ground = element => {
    if (!element) return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
    const color = parts(getComputedStyle(element).backgroundColor);
    return color.alpha === 0 ? ground(element.parentElement) : over(color, ground(element.parentElement));
  };
  const light = rgb => {
    const [r, g, b] = rgb.map(part => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };

  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const told = new Set();
  while (words.nextNode()) {
    const element = words.currentNode.parentElement;
    if (!words.currentNode.data.trim() || told.has(element) || !shown(element)) continue;
    if (!element.getBoundingClientRect().width || element.closest("[aria-hidden=true]")) continue;
    told.add(element);
    const style = getComputedStyle(element);
    const back = ground(element);
    const ratio = contrast(over(parts(style.color), back), back);
    if (ratio < 4.5) found.push(`contrast: ${ratio.toFixed(1)} of ${style.color} in ${short(element)}`);
    if (parseFloat(style.fontSize) < 12) found.push(`small: ${style.fontSize} in ${short(element)}`);
    if (element.scrollWidth > element.clientWidth + 1 && style.overflow !== "visible" && element.clientWidth) {
      found.push(`cut off: ${short(element)}`);
    }
    // Joined letters come apart; a code in Latin letters beside them may be spaced.
    const joined = [...element.childNodes].some((node) => node.nodeType === 3 && /\p{Script=Arabic}/u.test(node.data));
    if (joined && style.letterSpacing !== "normal" && style.letterSpacing !== "0px") {
      found.push(`letters: set apart in ${short(element)}`);
    }
  }

  for (const button of document.querySelectorAll(".button-link, button, [role=button]")) {
    if (!shown(button)) continue;
    const box = button.getBoundingClientRect();
    if (box.height < 40 || box.width < 40) {
      found.push(`touch: ${short(button)} is ${Math.round(box.width)} × ${Math.round(box.height)} px`);
    }
  }
  return found;
})()
