namespace MoDM.Bench.Tests;

public class TableTests
{
    [Fact]
    public void Columns_line_up_and_numbers_stand_right() => Assert.Equal(
        """
        | figure     | mixture |   b |
        |------------|--------:|----:|
        | throughput |     2.5 |   1 |
        | p99        |       3 | 400 |

        """.ReplaceLineEndings("\n"),
        Table.Render(["figure", "mixture", "b"], [["throughput", "2.5", "1"], ["p99", "3", "400"]]));
}
