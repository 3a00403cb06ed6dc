// Checks the site in a browser: layout, search and links. Usage: node check.mjs SITE
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import puppeteer from 'puppeteer-core';

const site = resolve(process.argv[2]);
const executablePath = browserOnPath();
const screenshots = fileURLToPath(new URL('../../target/site', import.meta.url));
const PAGES = [
  'index.html',
  'documents/Options.html',
  'documents/Getting_started.html',
  'classes/index.Client.html',
];

const problems = [...deadLinks(), ...(executablePath === undefined ? [] : await inBrowser())];
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log(
  executablePath === undefined
    ? 'No dead link in the site. Layout and search were not checked, because no Chromium is installed.'
    : `No dead link in the site; screenshots are in ${screenshots}`,
);

function browserOnPath() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  const paths = folders.flatMap((folder) => names.map((name) => join(folder, name)));
  return paths.find((path) => existsSync(path));
}

function deadLinks() {
  const files = readdirSync(site, { recursive: true }).filter((path) => path.endsWith('.html'));
  const pages = new Map(
    files.map((path) => [join(site, path), readFileSync(join(site, path), 'utf8')]),
  );
  const dead = new Set();
  for (const [path, text] of pages) {
    for (const [, link] of text.matchAll(/ (?:href|src)="([^"]+)"/g)) {
      if (/^[a-z]+:/.test(link) || link === '#') continue;
      const [file, anchor] = link.replaceAll('&amp;', '&').split('#');
      const target = file === '' ? path : join(dirname(path), decodeURIComponent(file));
      const page = pages.get(target);
      const exists = page !== undefined || existsSync(target);
      const id = anchor && decodeURIComponent(anchor);
      if (!exists || (id && page !== undefined && !page.includes(`id="${id}"`))) {
        dead.add(`dead link in ${relative(site, path)}: ${link}`);
      }
    }
  }
  return dead;
}

async function inBrowser() {
  const found = [];
  mkdirSync(screenshots, { recursive: true });
  const browser = await puppeteer.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage();
    page.on('pageerror', (error) => found.push(`error in a page: ${error.message}`));
    for (const [width, height] of [
      [390, 844],
      [1280, 900],
    ]) {
      await page.setViewport({ width, height });
      for (const scheme of ['light', 'dark']) {
        await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
        for (const path of PAGES) {
          await page.goto(pathToFileURL(join(site, path)).href, { waitUntil: 'load' });
          const overflow = await page.evaluate(
            () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
          );
          if (overflow > 0) found.push(`${path} is ${overflow} px too wide at ${width} px`);
          const name = path.replaceAll('/', '-').replace('.html', '');
          await page.screenshot({ path: join(screenshots, `${name}-${width}-${scheme}.png`) });
        }
      }
    }
    const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const [brightness] = background.match(/\d+/g).map(Number);
    if (brightness > 128) found.push(`the dark page has a background of ${background}`);
    found.push(...(await search(page)));
  } finally {
    await browser.close();
  }
  return found;
}

async function search(page) {
  await page.goto(pathToFileURL(join(site, 'index.html')).href, { waitUntil: 'load' });
  await page.click('#tsd-search-trigger');
  await page.type('#tsd-search-input', 'replayProtection');
  const link = await page.waitForSelector('#tsd-search-results a', { timeout: 10_000 });
  const href = await link.evaluate((element) => element.href);
  return existsSync(fileURLToPath(href.replace(/[#?].*$/, '')))
    ? []
    : [`the search leads to ${href}`];
}
