"""Occupations of sampled people: loosely tied to the wage, from what such work commonly pays in the United States.

Each band says up to which wage (dollars an hour) its trades are found; a person's trade is drawn from the band of the
wage, one time in four from a neighbouring band.
"""

from dataclasses import dataclass

from personas.names import listed


@dataclass(frozen=True)
class Band:
    up_to: float  # dollars an hour
    trades: tuple[str, ...]


def _band(up_to: float, trades: str) -> Band:
    return Band(up_to, listed(trades, ","))


BANDS = (
    _band(
        12.0,
        "dishwasher, street vendor, farm hand, babysitter, car washer, market porter, cleaner, fruit picker, "
        "laundry worker, newspaper carrier, kitchen hand, dog walker, seamstress, street musician, fisher, usher, "
        "hotel maid, shelf stacker, potter, beekeeper",
    ),
    _band(
        20.0,
        "cashier, barista, home care aide, waiter, security guard, baker, hairdresser, warehouse worker, taxi driver, "
        "childcare worker, gardener, receptionist, cook, delivery driver, library assistant, tailor, "
        "call centre agent, school bus driver, florist, caretaker",
    ),
    _band(
        32.0,
        "carpenter, bookkeeper, bus driver, postal worker, welder, paramedic, truck driver, medical assistant, "
        "mechanic, social worker, roofer, machine operator, travel agent, butcher, dental assistant, painter, "
        "tram driver, laboratory technician, preschool teacher, photographer",
    ),
    _band(
        50.0,
        "nurse, electrician, plumber, teacher, police officer, firefighter, librarian, accountant, graphic designer, "
        "surveyor, translator, train driver, journalist, web developer, crane operator, midwife, union organiser, "
        "dental hygienist, insurance agent, master brewer",
    ),
    _band(
        90.0,
        "software engineer, pharmacist, architect, civil engineer, physiotherapist, school principal, data analyst, "
        "veterinarian, sales manager, tax adviser, geologist, economist, air traffic controller, chemist, "
        "factory manager, optician, judge, film editor, hotel owner, ship captain",
    ),
    _band(
        float("inf"),
        "surgeon, lawyer, airline pilot, dentist, bank director, orthodontist, company founder, cardiologist, "
        "fund manager, anaesthetist, hospital director, property developer, patent attorney, radiologist, "
        "chief engineer, management consultant, winery owner, notary, film producer, shipping magnate",
    ),
)
