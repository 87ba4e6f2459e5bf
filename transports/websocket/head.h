// The head of an upgrade, looked at before the engine sees it.
//
// libwebsockets takes more for a head than HTTP does: a bare line feed ends a line, and an empty
// line of it the head; the name of a method begins a header line as well as a header's name does.
// So it and we would see heads of different lengths, or it would take ways that its platform here
// has not: it becomes a proxy's tunnel for a line that begins with CONNECT.
#ifndef FAULTLINE_TRANSPORTS_WEBSOCKET_HEAD_H_
#define FAULTLINE_TRANSPORTS_WEBSOCKET_HEAD_H_

#include <string>
#include <string_view>

namespace faultline::websocket {

// A first line; lines with a name, a colon and a value; an empty line. Each ends with CR LF and
// holds no other control character than tabs (RFC 7230, sections 3, 3.2 and 3.5).
bool IsWellFormedHead(std::string_view head);

// The first line, fit to be shown: without control characters, and not long.
std::string FirstLineOf(std::string_view head);

}  // namespace faultline::websocket

#endif  // FAULTLINE_TRANSPORTS_WEBSOCKET_HEAD_H_
