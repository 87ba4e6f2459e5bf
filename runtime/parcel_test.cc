// Goal: a parcel carries one value of any movable type, once, and destroys it exactly once.
// Method: values that count how many of them live.
#include "runtime/parcel.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

namespace faultline {
namespace {

class Counted {
 public:
  explicit Counted(int* live) : live_(live) { ++*live_; }
  Counted(Counted&& other) noexcept : live_(std::exchange(other.live_, nullptr)) {}
  ~Counted() {
    if (live_ != nullptr) --*live_;
  }

 private:
  int* live_;
};

TEST(Parcel, GivesBackWhatWasPutIn) {
  Parcel parcel = Parcel::Of(std::make_unique<std::string>("seven"));
  EXPECT_FALSE(parcel.empty());
  EXPECT_TRUE(parcel.Holds<std::unique_ptr<std::string>>());
  EXPECT_FALSE(parcel.Holds<std::unique_ptr<int>>());
  std::unique_ptr<std::string> text = std::move(parcel).Take<std::unique_ptr<std::string>>();
  EXPECT_EQ(*text, "seven");
  EXPECT_TRUE(parcel.empty());
}

TEST(Parcel, ValuesUpToItsRoomFit) {
  std::array<char, Parcel::kRoom> full;
  full.fill('x');
  Parcel parcel = Parcel::Of(full);
  Parcel moved = std::move(parcel);
  EXPECT_EQ((std::move(moved).Take<std::array<char, Parcel::kRoom>>()), full);
}

TEST(Parcel, DestroysItsValueOnceWhereverItWent) {
  int live = 0;
  {
    Parcel first = Parcel::Of(Counted(&live));
    Parcel second = Parcel::Of(Counted(&live));
    EXPECT_EQ(live, 2);
    second = std::move(first);  // what it held is gone
    EXPECT_EQ(live, 1);
    Parcel third(std::move(second));
    EXPECT_EQ(live, 1);
    EXPECT_TRUE(second.empty());
  }
  EXPECT_EQ(live, 0);
}

TEST(Parcel, ClearDestroysWhatIsInside) {
  int live = 0;
  Parcel parcel = Parcel::Of(Counted(&live));
  parcel.Clear();
  EXPECT_EQ(live, 0);
  EXPECT_TRUE(parcel.empty());
  parcel.Clear();
}

TEST(Parcel, TheWrongTypeIsOurBug) {
  Parcel parcel = Parcel::Of(7);
  EXPECT_DEATH((void)std::move(parcel).Take<long>(), "holds something else");
  Parcel empty;
  EXPECT_DEATH((void)std::move(empty).Take<int>(), "holds something else");
}

}  // namespace
}  // namespace faultline
