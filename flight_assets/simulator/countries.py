"""Countries as the feed spells them, and how each registers its aircraft. Data only."""

from dataclasses import dataclass

# ISO 3166-1 alpha-2 code and the name on the feed's airports page.
_NAMES = """
AF Afghanistan;AL Albania;DZ Algeria;AS American Samoa;AO Angola;AI Anguilla;AQ Antarctica
AG Antigua And Barbuda;AR Argentina;AM Armenia;AW Aruba;AU Australia;AT Austria;AZ Azerbaijan
BS Bahamas;BH Bahrain;BD Bangladesh;BB Barbados;BY Belarus;BE Belgium;BZ Belize;BJ Benin
BM Bermuda;BT Bhutan;BO Bolivia;BA Bosnia And Herzegovina;BW Botswana;BR Brazil;BN Brunei
BG Bulgaria;BF Burkina Faso;BI Burundi;KH Cambodia;CM Cameroon;CA Canada;CV Cape Verde
KY Cayman Islands;CF Central African Republic;TD Chad;CL Chile;CN China
CC Cocos (Keeling) Islands;CO Colombia;KM Comoros;CG Congo;CK Cook Islands;CR Costa Rica
HR Croatia;CU Cuba;CW Curacao;CY Cyprus;CZ Czechia;CD Democratic Republic Of The Congo;DK Denmark
DJ Djibouti;DM Dominica;DO Dominican Republic;EC Ecuador;EG Egypt;SV El Salvador
GQ Equatorial Guinea;ER Eritrea;EE Estonia;SZ Eswatini;ET Ethiopia
FK Falkland Islands (Malvinas);FO Faroe Islands;FJ Fiji;FI Finland;FR France;GF French Guiana
PF French Polynesia;GA Gabon;GM Gambia;GE Georgia;DE Germany;GH Ghana;GI Gibraltar;GR Greece
GL Greenland;GD Grenada;GP Guadeloupe;GU Guam;GT Guatemala;GG Guernsey;GN Guinea
GW Guinea-Bissau;GY Guyana;HT Haiti;HN Honduras;HK Hong Kong;HU Hungary;IS Iceland;IN India
ID Indonesia;IR Iran;IQ Iraq;IE Ireland;IM Isle Of Man;IL Israel;IT Italy;CI Ivory Coast
JM Jamaica;JP Japan;JE Jersey;JO Jordan;KZ Kazakhstan;KE Kenya;KI Kiribati;XK Kosovo;KW Kuwait
KG Kyrgyzstan;LA Laos;LV Latvia;LB Lebanon;LS Lesotho;LR Liberia;LY Libya;LT Lithuania
LU Luxembourg;MO Macao;MG Madagascar;MW Malawi;MY Malaysia;MV Maldives;ML Mali;MT Malta
MH Marshall Islands;MQ Martinique;MR Mauritania;MU Mauritius;YT Mayotte;MX Mexico;FM Micronesia
MD Moldova;MC Monaco;MN Mongolia;ME Montenegro;MS Montserrat;MA Morocco;MZ Mozambique
MM Myanmar (Burma);NA Namibia;NR Nauru;NP Nepal;NL Netherlands;NC New Caledonia;NZ New Zealand
NI Nicaragua;NE Niger;NG Nigeria;NU Niue;KP North Korea;MK North Macedonia
MP Northern Mariana Islands;NO Norway;OM Oman;PK Pakistan;PW Palau;PA Panama
PG Papua New Guinea;PY Paraguay;PE Peru;PH Philippines;PL Poland;PT Portugal;PR Puerto Rico
QA Qatar;RE Reunion;RO Romania;RU Russia;RW Rwanda;SH Saint Helena;KN Saint Kitts And Nevis
LC Saint Lucia;PM Saint Pierre And Miquelon;VC Saint Vincent And The Grenadines;WS Samoa
ST Sao Tome And Principe;SA Saudi Arabia;SN Senegal;RS Serbia;SC Seychelles;SL Sierra Leone
SG Singapore;SK Slovakia;SI Slovenia;SB Solomon Islands;SO Somalia;ZA South Africa;KR South Korea
SS South Sudan;ES Spain;LK Sri Lanka;SD Sudan;SR Suriname;SE Sweden;CH Switzerland;SY Syria
TW Taiwan;TJ Tajikistan;TZ Tanzania;TH Thailand;TL Timor-Leste (East Timor);TG Togo
TO Tonga;TT Trinidad And Tobago;TN Tunisia;TR Turkey;TM Turkmenistan
TC Turks And Caicos Islands;TV Tuvalu
UG Uganda;UA Ukraine;AE United Arab Emirates;GB United Kingdom;US United States
UM United States Minor Outlying Islands;UY Uruguay;UZ Uzbekistan;VU Vanuatu;VE Venezuela
VN Vietnam;VG Virgin Islands British;VI Virgin Islands Us;WF Wallis And Futuna
EH Western Sahara;YE Yemen;ZM Zambia;ZW Zimbabwe;CX Christmas Island;NF Norfolk Island
BL Saint Barthelemy;MF Saint Martin;SX Sint Maarten;BQ Caribbean Netherlands
IO British Indian Ocean Territory;AX Aland Islands;VA Vatican City;PS Palestine;GS South Georgia
"""

# Country, the shape of its registrations (9 a digit, A a letter) and the first of its 24-bit
# addresses, as ICAO Annex 10, volume III allots them.
_REGISTERS = """
US N999AA A00000;CA C-GAAA C00000;MX XA-AAA 0D0000;PA HP-9999AAA 0C2000;CO HK-9999 0AC000
TT 9Y-AAA 0C6000;CL CC-AAA E80000;BR PR-AAA E40000;AR LV-AAA E00000;PE OB-9999 E8C000
BO CP-9999 E94000;IE EI-AAA 4CA000;GB G-AAAA 400000;AT OE-LAA 440000;CH HB-AAA 4B0000
HU HA-LAA 470000;MT 9H-AAA 4D2000;DE D-AAAA 3C0000;FR F-GAAA 380000;NL PH-AAA 480000
ES EC-AAA 340000;IT I-AAAA 300000;PT CS-TAA 490000;BE OO-AAA 448000;SE SE-AAA 4A8000
NO LN-AAA 478000;FI OH-AAA 460000;IS TF-AAA 4CC000;LV YL-AAA 502C00;PL SP-AAA 488000
CZ OK-AAA 498000;RO YR-AAA 4A0000;GR SX-AAA 468000;RS YU-AAA 4C0000;HR 9A-AAA 501C00
LU LX-AAA 4D0000;TR TC-AAA 4B8000;RU RA-99999 140000;IL 4X-AAA 738000;AE A6-AAA 896000
QA A7-AAA 06A000;SA HZ-AAAA 710000;BH A9C-AA 894000;KW 9K-AAA 706000;OM A4O-AA 70C000
JO JY-AAA 740000;LB OD-AAA 748000;IR EP-AAA 730000;IQ YI-AAA 728000;ET ET-AAA 040000
EG SU-AAA 010000;MA CN-AAA 020000;DZ 7T-VAA 0A0000;TN TS-AAA 028000;KE 5Y-AAA 04C000
ZA ZS-AAA 008000;RW 9XR-AA 06E000;NG 5N-AAA 064000;MU 3B-AAA 060000;AO D2-AAA 090000
CN B-999A 780000;HK B-KAA 789000;TW B-99999 899000;JP JA999A 840000;KR HL9999 718000
IN VT-AAA 800000;PK AP-AAA 760000;BD S2-AAA 702000;LK 4R-AAA 770000;SG 9V-AAA 768000
MY 9M-AAA 750000;TH HS-AAA 880000;VN VN-A999 888000;ID PK-AAA 8A0000;PH RP-C9999 758000
KZ UP-A9999 683000;UZ UK-99999 507C00;AZ 4K-AAA 600800;AU VH-AAA 7C0000;NZ ZK-AAA C80000
FJ DQ-AAA C88000;PG P2-AAA 898000;DK OY-AAA 458000;UA UR-AAA 508000;SK OM-AAA 505C00
"""


@dataclass(frozen=True)
class Register:
    """A national register: the shape of its marks and the first of its 24-bit addresses."""

    shape: str
    first_icao24: int

    def mark(self, n: int) -> str:
        """Return the ``n``-th registration, spread over the register; each ``n`` its own.

        >>> Register("G-AAAA", 0x400000).mark(0), Register("N999AA", 0xA00000).mark(7)
        ('G-AAAA', 'N019KH')
        """
        capacity = 1
        for symbol in self.shape[1:]:
            capacity *= {"9": 10, "A": 26}.get(symbol, 1)
        # 1,873 is a prime other than 2, 5 and 13: multiplying permutes the marks of any shape.
        rest, mark = n * 1_873 % capacity, ""
        for symbol in reversed(self.shape[1:]):
            if symbol == "9":
                rest, digit = divmod(rest, 10)
                mark = str(digit) + mark
            elif symbol == "A":
                rest, letter = divmod(rest, 26)
                mark = chr(ord("A") + letter) + mark
            else:
                mark = symbol + mark
        return self.shape[0] + mark


def _entries(table: str) -> list[str]:
    return [entry for line in table.strip().splitlines() for entry in line.split(";")]


COUNTRY_NAMES = dict(entry.split(" ", maxsplit=1) for entry in _entries(_NAMES))
REGISTERS = {
    country: Register(shape, int(first, base=16))
    for country, shape, first in (entry.split(" ") for entry in _entries(_REGISTERS))
}
