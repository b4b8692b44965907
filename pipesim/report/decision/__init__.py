"""What decisions rest on: which scenario, what its keys do, what waiting less costs, how much is needed, what was changed.

`evidence` is what is known of scenarios; each other module answers one question with a part of the page, and `page` writes the
parts that concern some scenarios only.
"""

from pipesim.report.decision.evidence import Evidence
from pipesim.report.decision.page import check_name, decision_page, write_decision
from pipesim.report.decision.parts import decision_parts

__all__ = ["Evidence", "check_name", "decision_page", "decision_parts", "write_decision"]
