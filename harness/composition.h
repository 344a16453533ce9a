// Composition, item by item: of the problems that a model solves and whose trap it knows, in how many it puts both
// together.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/sample.h"
#include "harness/statistics.h"
#include "support/json.h"

namespace mathtrap {

/// Of one intervention. An item is a trap with the original that it was made of and the conceptual questions about its
/// flaw, all asked under this intervention and in the same epoch.
struct Composition {
  std::string intervention;
  /// Composed without help (intervention "none"), as opposed to passively, with help.
  bool spontaneous = false;
  std::size_t items = 0;
  std::size_t left_out = 0;  ///< traps with a part that was not asked or has no score, or whose original is not certain
  Proportion original;       ///< of the items
  std::optional<Proportion>
      concept_known;            ///< of the items, all conceptual questions right; nothing when none was asked
  Proportion trap;              ///< of the items
  Proportion owned;             ///< items whose original is solved and whose concept is known
  Proportion composed;          ///< traps that are seen through, of the owned items
  Proportion composed_unowned;  ///< the same of the other items
  /// original × concept_known: how often traps would be seen through if solving and knowing came independently and both
  /// together were enough.
  double independent = 0;
  double gap = 0;  ///< trap - independent; below 0: composes less than that
  /// By MOVER (Donner and Zou 2012, as in ratio_of): the limits of the three accuracies, weighted by the derivatives of
  /// the gap and put together with their correlations over clusters.
  Interval gap_ci95;
};

/// One per intervention under which traps and originals were asked, in the samples' order. The original of a trap is
/// that of its record, or else the only one of its cluster (an original that stands in several records is asked once);
/// its concepts are those of its record, or else of its cluster. When an intervention has no conceptual questions at
/// all, an item is owned when its original is solved.
std::vector<Composition> measure_composition(std::span<const Sample> samples);

/// {"intervention","kind":"spontaneous|passive","items","left_out","original","concept","trap","owned":{…},"composed":{…},
/// "composed_unowned":{…},"independent","gap","gap_ci95"}; {…} is {"n","correct","accuracy","ci95"}.
Json to_json(const Composition& composition);

}  // namespace mathtrap
