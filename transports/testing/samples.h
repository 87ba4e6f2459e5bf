// Sample messages: requests whose number is `tag` and whose body follows from it.
//
//   Message sent = Sample(&pool, 7, 300);
//   EXPECT_EQ(TagOf(received), 7);            // after checking the body
#ifndef FAULTLINE_TRANSPORTS_TESTING_SAMPLES_H_
#define FAULTLINE_TRANSPORTS_TESTING_SAMPLES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/frozen.h"
#include "transports/message/message.h"

namespace faultline::testing {

message::Message Sample(BufferPool* pool, uint64_t tag, size_t body_size);

// The tag; 0 if the body is not the one that belongs to it.
uint64_t TagOf(const message::Message& message);

// The frames one behind the other, as on the wire.
std::vector<std::byte> Wire(std::span<const message::Message> messages);

}  // namespace faultline::testing

#endif  // FAULTLINE_TRANSPORTS_TESTING_SAMPLES_H_
