// Replies kept from run to run, in an SQLite file: a request that was answered once is not answered again. The key is
// everything that decides a reply, so that no model answers for another.
#pragma once

#include <memory>
#include <string>

#include "harness/models_under_test.h"

namespace mathtrap {

/// `model`, which must outlive it, with a cache in `file`, which is made when it is not there. What it answers is kept
/// at once, each reply in a transaction of its own: a killed run loses none. Keys are hashes of the model's whole
/// description (weights, tokenizer, precision, device), the prompt with its plain parts, and every generation option.
/// Throws Error when the file cannot be used, is no such cache, or the disk is full.
std::unique_ptr<ModelUnderTest> with_reply_cache(ModelUnderTest& model, const std::string& file);

}  // namespace mathtrap
