"""Personal data in a text, replaced by pseudonyms: e-mail and IP addresses, card and phone numbers, IBANs, names. Pure.

Numbers are taken for cards and accounts by their check digits (ISO/IEC 7812-1, annex B; ISO 13616-1), so that an order
number is left alone nine times in ten; a phone number by its form: international, or as in North America; what IP
addresses are, replay/trace/redaction/addresses.py says. Of people's names only those of a list are found; what a
sentence tells is not. Every search takes time with the length of the text, whatever stands in it: each begins at a
character that it needs, and looks no further than such a thing is long.

A pseudonym is a keyed hash of what it stands for, so that the same gives the same wherever it occurs, however it is
written, and nobody without the key can try guesses. It has letters only: no search takes it for personal data.
"""

import re
from hashlib import blake2b

from replay.trace.redaction.addresses import with_addresses
from replay.trace.redaction.people import People

_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}\Z").search
_DOMAIN = re.compile(r"@(?:\w(?:[\w-]{0,62}\w)?\.){1,8}[^\W\d_]{2,24}(?![\w-])").match
_LOCAL_LENGTH = 64
_DIGITS = re.compile(r"(?<![\w.])\d(?:[ -]?\d)+(?![\w])")
# By issuer, with its lengths: Visa, Mastercard, American Express, Diners Club, JCB, Maestro, and all that begin with 6.
_CARD = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11,13}|35\d{14}"
    r"|(?:5018|5020|5038|6304|6759|676[1-3])\d{8,15}|6\d{15,18}"
).fullmatch
_PHONE = re.compile(
    r"(?<![\w+])\+[1-9][\d ().\-/]{6,24}\d(?!\d)"
    r"|(?<![\w.+-])00[1-9]\d{0,2}[ /-][\d ().\-/]{5,20}\d(?!\d)"
    r"|(?<![\w.-])(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-])"
)
_PHONE_DIGITS = range(8, 16)
_NORTH_AMERICAN_DIGITS = 10
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}")
# How long an account's number is, by country: the IBAN registry of SWIFT, release 99.
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD FK", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE",
        31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip

_HASH_BYTES = 16
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_PSEUDONYM_LETTERS = 12  # 56 bits, of which a million people share one once in 100,000 times


class PersonalData:
    """Finds personal data in texts. key: of the pseudonyms, a secret. people: names to be found besides."""

    def __init__(self, key: bytes, people: People | None = None) -> None:
        self._key = blake2b(key, digest_size=32).digest()
        self._people = people

    def without(self, text: str, *, has_addresses: bool = True) -> str:
        """The text with a pseudonym for everything that looks like personal data.

        has_addresses: whether what looks like an IP address is one, and no version.
        """
        if "@" in text:
            text = self._without_mail(text)
        if any(map(str.isdigit, text)):
            text = _IBAN.sub(self._account, text)
            text = _DIGITS.sub(self._card, text)
            text = _PHONE.sub(self._phone, text)
            if has_addresses:
                text = with_addresses(text, lambda address: self.pseudonym("ip", address))
        if self._people is not None:
            text = self._people.replaced(text, lambda name: self.pseudonym("name", name))
        return text

    def number_without(self, value: int) -> int:
        """A number, or another one where its digits are those of a card."""
        if value > 0 and is_card(str(value)):
            return 10**8 + self._hash("card", str(value)) % (9 * 10**8)
        return value

    def pseudonym(self, kind: str, what: str) -> str:
        """What takes its place. what: written in the same way wherever it occurs."""
        number, letters = self._hash(kind, what), ""
        while len(letters) < _PSEUDONYM_LETTERS:
            number, letter = divmod(number, len(_LETTERS))
            letters += _LETTERS[letter]
        return f"{kind}-{letters}"

    def _hash(self, kind: str, what: str) -> int:
        data = f"{kind} {what}".encode("utf-8", "surrogatepass")
        return int.from_bytes(blake2b(data, key=self._key, digest_size=_HASH_BYTES).digest())

    def _without_mail(self, text: str) -> str:
        pieces: list[str] = []
        end = 0
        at = text.find("@")
        while at >= 0:
            local = _LOCAL(text, max(end, at - _LOCAL_LENGTH), at)
            domain = _DOMAIN(text, at) if local else None
            if local and domain:
                found = text[local.start() : domain.end()]
                pieces += [text[end : local.start()], self.pseudonym("email", found.lower())]
                end = domain.end()
            at = text.find("@", max(end, at + 1))
        return "".join([*pieces, text[end:]]) if pieces else text

    def _account(self, found: re.Match[str]) -> str:
        text = found[0]
        length = _IBAN_LENGTHS.get(text[:2])
        taken, end = 0, 0
        while length is not None and taken < length and end < len(text):
            taken += text[end] != " "
            end += 1
        number = text[:end].replace(" ", "")
        if taken != length or text[end : end + 1].isalnum():
            return text
        digits = "".join(str(int(character, 36)) for character in number[4:] + number[:4])
        return self.pseudonym("iban", number) + text[end:] if int(digits) % 97 == 1 else text

    def _card(self, found: re.Match[str]) -> str:
        text = found[0]
        whole = re.sub(r"[ -]", "", text)
        if is_card(whole):
            return self.pseudonym("card", whole)
        pieces = re.split(r"([ -])", text)
        return "".join(self.pseudonym("card", piece) if is_card(piece) else piece for piece in pieces)

    def _phone(self, found: re.Match[str]) -> str:
        digits = "".join(filter(str.isdecimal, found[0])).removeprefix("00")
        digits = f"1{digits}" if len(digits) == _NORTH_AMERICAN_DIGITS and found[0][0] != "+" else digits
        return self.pseudonym("phone", digits) if len(digits) in _PHONE_DIGITS else found[0]


def is_card(digits: str) -> bool:
    """Whether these are the digits of a card: as long, of a known issuer, and with the right check digit."""
    if not digits.isascii() or not _CARD(digits):
        return False
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0
