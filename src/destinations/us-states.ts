// The two-letter codes of the United States (ANSI INCITS 38, USPS), by code and by name.

const STATES =
  'AL Alabama,AK Alaska,AZ Arizona,AR Arkansas,CA California,CO Colorado,CT Connecticut,DE Delaware,' +
  'DC District of Columbia,FL Florida,GA Georgia,HI Hawaii,ID Idaho,IL Illinois,IN Indiana,IA Iowa,KS Kansas,' +
  'KY Kentucky,LA Louisiana,ME Maine,MD Maryland,MA Massachusetts,MI Michigan,MN Minnesota,MS Mississippi,' +
  'MO Missouri,MT Montana,NE Nebraska,NV Nevada,NH New Hampshire,NJ New Jersey,NM New Mexico,NY New York,' +
  'NC North Carolina,ND North Dakota,OH Ohio,OK Oklahoma,OR Oregon,PA Pennsylvania,RI Rhode Island,' +
  'SC South Carolina,SD South Dakota,TN Tennessee,TX Texas,UT Utah,VT Vermont,VA Virginia,WA Washington,' +
  'WV West Virginia,WI Wisconsin,WY Wyoming,AS American Samoa,GU Guam,MP Northern Mariana Islands,' +
  'PR Puerto Rico,VI Virgin Islands,VI US Virgin Islands,DC Washington DC,AA Armed Forces Americas,' +
  'AE Armed Forces Europe,AP Armed Forces Pacific';

const CODES: ReadonlyMap<string, string> = new Map(
  STATES.split(',').flatMap((entry) => {
    const code = entry.slice(0, 2).toLowerCase();
    const name = entry.slice(3).replaceAll(' ', '').toLowerCase();
    return [
      [code, code],
      [name, code],
    ];
  }),
);

/** The code in lower case of a state; its code or its whole name in lower case without spaces and punctuation. */
export function usState(text: string): string | null {
  return CODES.get(text) ?? null;
}
