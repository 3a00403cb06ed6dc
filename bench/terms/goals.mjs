// What the codec is meant to reach, and whether it does.

/** The most time relative to JSON on the same data, in both directions. */
const AGAINST_JSON = {
  twitter: 0.5,
  citm: 0.5,
  canada: 0.5,
  '10,000 records': 0.5,
  '20 records': 0.8,
  '1 record': 1,
};
/** The row where the goal is to equal msgpackr's records, within this tolerance. */
const RECORDS = '10,000 records';
const LEVEL = 1.05;

/**
 * @typedef {object} Goal
 * @property {string} what
 * @property {number} most
 * @property {number} reached
 * @property {boolean} holds
 */

/** @returns {Goal[]} the goals that the rows decide */
export function checkGoals(rows) {
  return rows.flatMap((row) =>
    ['decode', 'encode'].flatMap((direction) => {
      const ratio = (name) => row[direction][name].ratio.median;
      const own = ratio('backwater');
      const goal = (than, most) => {
        const reached = own / ratio(than);
        const what = `${direction} ${row.name}, relative to ${than}`;
        return { what, most, reached, holds: reached <= most };
      };
      const goals = [goal('msgpackr', 1)];
      if (Object.hasOwn(AGAINST_JSON, row.name))
        goals.unshift(goal('JSON', AGAINST_JSON[row.name]));
      if (row.name === RECORDS) goals.push(goal('msgpackr, records', LEVEL));
      return goals;
    }),
  );
}
