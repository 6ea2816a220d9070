"""Public accounting shared by the tax societies: people earn by the hour, and all revenue comes back as a lump sum."""

from dataclasses import dataclass

import torch
from torch import Tensor

from societies.base import Settled
from societies.taxes import marginal_rate, tax
from societies.welfare import equality

FULL_TIME = 40  # hours a week
FEATURES = ("log_income", "hours", "net", "equality", "lump_sum", "productivity")
LOG_INCOME, HOURS, NET, EQUALITY, LUMP_SUM, PRODUCTIVITY = range(len(FEATURES))


@dataclass(frozen=True)
class LabourMarket:
    """Features [B, N, F] hold: ln of income at full time, standardised; and of the last step: hours in units of full
    time, net income in shares of own full-time income, equality, the lump sum and mean income in shares of mean
    full-time income. A response [B, N, 1] is hours in units of full time.
    """

    hours: Tensor  # [K] what may be chosen, in units of full time
    brackets: tuple[float, ...]  # floors, in money
    log_centre: float = 10.5  # of ln(income at full time); the default suits dollars a year
    log_scale: float = 1.1

    def income(self, features: Tensor) -> Tensor:
        """[B, N, F] -> [B, N] money at full time."""
        return (self.log_centre + self.log_scale * features[..., LOG_INCOME]).exp()

    def before(self, income: Tensor, rates: Tensor) -> Tensor:
        """Features before the first step, from incomes at full time [B, N]: as if everyone had just worked full time
        under `rates` [M].
        """
        zeros = torch.zeros_like(income)
        log_income = (income.log() - self.log_centre) / self.log_scale
        features = torch.stack([log_income, *[zeros] * (len(FEATURES) - 1)], -1)
        return self.settle(features, rates.expand(len(income), -1), torch.ones_like(income)[..., None]).features

    def respond(self, action: Tensor) -> Tensor:
        """Choice indices [B, N] -> responses [B, N, 1]; -1 (not asked) counts as the first choice."""
        return self.hours.to(action.device)[action.clamp_min(0)][..., None]

    def lump_sum(self, features: Tensor) -> Tensor:
        """[B, N] the last step's lump sum in money, which is what people reckon with."""
        return features[..., LUMP_SUM] * self.income(features).mean(1, keepdim=True)

    def kept(self, features: Tensor, mechanism: Tensor) -> Tensor:
        """[B, N] the share of the next unit of money that everyone keeps at full time."""
        return 1 - marginal_rate(self.income(features), mechanism, self.brackets)

    def money(self, features: Tensor, mechanism: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, N, K] at every choice: gross income and tax in money, net income in shares of own full-time income.

        Net counts on the last step's lump sum: nobody knows this one's before all have chosen.
        """
        income = self.income(features)[..., None]  # [B, N, 1]
        gross = income * self.hours.to(income.device)
        owed = tax(gross, mechanism, self.brackets)
        return gross, owed, (gross - owed + self.lump_sum(features)[..., None]) / income

    def settle(self, features: Tensor, mechanism: Tensor, response: Tensor) -> Settled:
        """One step's accounts; the lump sum paid is this step's revenue / N. Differentiable."""
        income = self.income(features)  # [B, N]
        gross = income * response[..., 0]
        owed = tax(gross, mechanism, self.brackets)
        mean_income = income.mean(1, keepdim=True)  # [B, 1]
        lump = owed.mean(1, keepdim=True)  # [B, 1]
        net = gross - owed + lump
        equal, product = equality(net), gross.mean(1) / mean_income[:, 0]  # [B]
        columns = [
            features[..., LOG_INCOME],
            response[..., 0],
            net / income,
            equal[:, None].expand_as(net),
            (lump / mean_income).expand_as(net),
            product[:, None].expand_as(net),
        ]
        hours = FULL_TIME * response[..., 0].mean(1)
        accounts = {"equality": equal, "productivity": product, "hours": hours, "lump_sum": lump[:, 0]}
        return Settled(torch.stack(columns, -1), accounts)


class HoursScaled:
    """What societies with a labour market say as `societies.base.Scaled`."""

    market: LabourMarket
    choice_names: tuple[str, ...]  # hours
    answer = "hours a week"
    price = "share of the next dollar kept at full time"
    prices = (0.0, 1.0)
    lot = "net income, dollars a year"
    takes_home = "net income"

    def amounts(self) -> Tensor:
        return torch.tensor([float(hours) for hours in self.choice_names])

    def faced(self, features: Tensor, mechanism: Tensor) -> Tensor:
        return self.market.kept(features, mechanism)

    def lot_of(self, features: Tensor) -> Tensor:
        return features[..., NET] * self.market.income(features)

    def changes(self, features: Tensor, mechanism: Tensor) -> Tensor:
        """In shares of own full-time income."""
        return self.market.money(features, mechanism)[2] - features[..., NET, None]
