import { type ErlangDescription, type ErlangTerms, startErlangTerms } from '../interop/erlang.js';
import { type Case, decodeHere, ENDED, NOT_ASKED } from './compare.js';

/** Damaged terms bring new atoms along, and Erlang never forgets one. */
const MAX_QUESTIONS = 100_000;

type Question = Omit<Case, 'erlang'>;

/** A live Erlang that is replaced after many questions, and when it ends. */
export class Erlang {
  #terms: ErlangTerms | undefined;
  #questions = 0;

  /** What both sides make of encodings. */
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
      // The question that ended it, unless that was one whose answer got lost.
      if (next !== undefined) answers.push((await this.#ask([next]))[0] ?? { error: ENDED });
    }
    return answers;
  }

  async close(): Promise<void> {
    await this.#terms?.close();
    this.#terms = undefined;
    this.#questions = 0;
  }

  /** The answers; fewer than questions when Erlang has ended. */
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

/** OTP 25 does not check what a closure consists of, and crashes when it uses that. */
function isHarmless({ own }: Question): boolean {
  return !(
    'refused' in own && /^the (size|old index|old uniq|creator) of a fun /.test(own.refused)
  );
}
