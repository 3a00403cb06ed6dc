import type { TupleReviver } from '../codec/revivers.js';
import { boundedUrl } from '../platform/url.js';
import { textOf } from './text.js';
import { atom, type Encoder, tuple } from '../terms/index.js';

const TAG = '$url';
const HREF = atom(TAG);

/** `{'$url', Text}`. */
export const urlEncoder: Encoder<URL> = { class: URL, toTerm: ({ href }) => tuple(HREF, href) };

export const urlReviver: TupleReviver = {
  tag: TAG,
  length: 2,
  revive(term) {
    const href = textOf(term[1]);
    return (href === undefined ? undefined : boundedUrl(href)) ?? term;
  },
};
