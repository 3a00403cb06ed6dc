import { type ErlangDescription, type ErlangTerms, startErlangTerms } from '../interop/erlang.js';
import { type Case, decodeHere, ENDED, NOT_ASKED } from './compare.js';

/** Damaged terms create new atoms, which Erlang never frees. */
const MAX_QUESTIONS = 100_000;

type Question = Omit<Case, 'erlang'>;

export class Erlang {
  #terms: ErlangTerms | undefined;
  #questions = 0;

  async judge(encodings: readonly Buffer[]): Promise<Case[]> {
    const questions = encodings.map((bytes) => ({ bytes, own: decodeHere(bytes) }));
    const answers = await this.#answers(questions.filter(isHarmless));
    let next = 0;
    return questions.map((question) => ({
      ...question,
      erlang: isHarmless(question) ? answers[next++]! : { error: NOT_ASKED },
    }));
  }

  async #answers(questions: readonly Question[]): Promise<ErlangDescription[]> {
    const answers: ErlangDescription[] = [];
    while (answers.length < questions.length) {
      answers.push(...(await this.#ask(questions.slice(answers.length))));
      const next = questions[answers.length];
      // Either this query crashed Erlang, or its answer was lost.
      if (next !== undefined) answers.push((await this.#ask([next]))[0] ?? { error: ENDED });
    }
    return answers;
  }

  async close(): Promise<void> {
    await this.#terms?.close();
    this.#terms = undefined;
    this.#questions = 0;
  }

  async #ask(questions: readonly Question[]): Promise<ErlangDescription[]> {
    this.#terms ??= startErlangTerms();
    const answers = await this.#terms.describe(
      questions.map(({ bytes, own }) => ({
        bytes,
        other: 'encoded' in own ? own.encoded : undefined,
      })),
    );
    this.#questions += questions.length;
    if (answers.length < questions.length || this.#questions > MAX_QUESTIONS) await this.close();
    return answers;
  }
}

/** OTP 25 does not check the parts of a closure, and crashes when it uses them. */
function isHarmless({ own }: Question): boolean {
  return !(
    'refused' in own && /^the (size|old index|old uniq|creator) of a fun /.test(own.refused)
  );
}
