/** Time relative to JSON, in both directions. */
const AGAINST_JSON = {
  twitter: 0.5,
  citm: 0.5,
  canada: 0.5,
  '10,000 records': 0.5,
  '20 records': 0.8,
  '1 record': 1,
};
/** Where the codec should equal msgpackr's records. */
const RECORDS = '10,000 records';
const LEVEL = 1.05;

export function checkGoals(rows) {
  return rows.flatMap((row) =>
    ['decode', 'encode'].flatMap((direction) => {
      const ratio = (name) => row[direction][name].ratio.median;
      const goal = (than, most) => {
        const what = `${direction} ${row.name}, relative to ${than}`;
        return { what, most, reached: ratio('backwater') / ratio(than) };
      };
      const goals = [goal('msgpackr', 1)];
      if (Object.hasOwn(AGAINST_JSON, row.name))
        goals.unshift(goal('JSON', AGAINST_JSON[row.name]));
      if (row.name === RECORDS) goals.push(goal('msgpackr, records', LEVEL));
      return goals;
    }),
  );
}
