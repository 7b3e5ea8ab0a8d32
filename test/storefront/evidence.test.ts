import { describe, expect, it } from 'vitest';
import type { WireConsent } from '../../src/core/event.ts';
import { askTcf, readCookies, type TcfApi } from '../../src/storefront/evidence.ts';

describe('readCookies', () => {
  const rows: readonly (readonly [string, string, WireConsent])[] = [
    ['no cookie at all', '', {}],
    ['cookies that carry no consent', '_ga=GA1.1.123.456; theme=dark', {}],
    ['a TC string of OneTrust', 'eupubconsent-v2=CQA.YAAA', { tcf: 'CQA.YAAA' }],
    ['a TC string of another CMP', 'euconsent-v2=CQB', { tcf: 'CQB' }],
    ['both of them: the CMP of the page counts', 'euconsent-v2=CQB; eupubconsent-v2=CQA', { tcf: 'CQA' }],
    ['additional consent', 'OTAdditionalConsentString=2~89.70~dv.', { additional_consent: '2~89.70~dv.' }],
    ['US Privacy and GPP', 'usprivacy=1YNN; OTGPPConsent=DBAA', { usprivacy: '1YNN', gpp: 'DBAA' }],
    ['a name that only ends like one', 'not-euconsent-v2=CQB; my_usprivacy=1YYN', {}],
    ['a cookie that is there and empty', 'OptanonConsent=', { onetrust: '' }],
    ['a value with equal signs', 'OptanonConsent=a=b&c=d', { onetrust: 'a=b&c=d' }],
  ];

  it.each(rows)('reads %s', (_, cookies, expected) => {
    expect(readCookies(cookies)).toEqual(expected);
  });

  it('passes OneTrust on undecoded, so that a landing page cannot forge a group', () => {
    const value = 'groups=C0001%3A1%2CC0004%3A0&landingPath=https%3A%2F%2Fshop.example%2F%3Fx%26groups%3DC0004%3A1';
    const cookies = `OptanonConsent=${value}; OptanonAlertBoxClosed=2026-11-20T09:15:00.000Z`;
    expect(readCookies(cookies)).toEqual({ onetrust: value, onetrust_closed: '2026-11-20T09:15:00.000Z' });
  });
});

describe('askTcf', () => {
  type TcData = Parameters<Parameters<TcfApi>[2]>[0];
  const answerOf = (data: TcData, success = true): WireConsent | undefined => {
    let answer: WireConsent | undefined;
    askTcf(
      (_command, _version, callback) => callback(data, success),
      (strings) => {
        answer = strings;
      },
    );
    return answer;
  };

  it('asks for version 2 of getTCData', () => {
    const asked: unknown[] = [];
    askTcf(
      (command, version) => asked.push(command, version),
      () => {},
    );
    expect(asked).toEqual(['getTCData', 2]);
  });

  const rows: readonly (readonly [string, TcData, WireConsent])[] = [
    [
      'both strings of an answered banner',
      { tcString: 'CQA', addtlConsent: '2~89~dv.', eventStatus: 'useractioncomplete' },
      { tcf: 'CQA', additional_consent: '2~89~dv.' },
    ],
    ['a stored choice', { tcString: 'CQA', eventStatus: 'tcloaded' }, { tcf: 'CQA' }],
    ['a CMP that names no status', { tcString: 'CQA' }, { tcf: 'CQA' }],
    ['nothing while the banner is open', { tcString: 'CQA', addtlConsent: '2~89~dv.', eventStatus: 'cmpuishown' }, {}],
    ['nothing where the GDPR does not apply', { tcString: '', eventStatus: 'tcloaded' }, {}],
    ['nothing of the wrong type', { tcString: 7, addtlConsent: null }, {}],
    ['nothing of an answer without data', null, {}],
  ];

  it.each(rows)('reads %s', (_, data, expected) => {
    expect(answerOf(data)).toEqual(expected);
  });

  it('believes no data that the CMP marks as a failure', () => {
    expect(answerOf({ tcString: 'CQA' }, false)).toEqual({});
  });
});
