using MoDM.Bench.Quality;

namespace MoDM.Bench.Tests;

public class FrechetDistanceTests
{
    // Sets with sample variance exactly s^2 on each axis and no correlation: +-s on one axis at a time, scaled for n - 1.
    private static List<float[]> Cross(double[] mean, double[] deviation)
    {
        var (d, points) = (mean.Length, new List<float[]>());
        var scale = Math.Sqrt((2 * d - 1) / 2.0);
        for (var axis = 0; axis < d; axis++)
        {
            foreach (var sign in new[] { -1, 1 })
                points.Add([.. mean.Select((m, i) => (float)(m + (i == axis ? sign * scale * deviation[axis] : 0)))]);
        }
        return points;
    }

    [Fact]
    public void A_set_is_at_no_distance_from_itself() =>
        Assert.Equal(0, FrechetDistance.Between(Cross([1, 2, 3], [1, 2, 3]), Cross([1, 2, 3], [1, 2, 3])), 4);

    [Fact]
    public void Diagonal_normals_differ_by_means_and_deviations() =>
        // |m1 - m2|^2 + sum (s1 - s2)^2 = (1 + 4) + (4 + 1)
        Assert.Equal(10, FrechetDistance.Between(Cross([0, 0], [1, 2]), Cross([1, 2], [3, 1])), 4);

    [Fact]
    public void One_dimension_by_hand() =>
        // {0, 2}: mean 1, variance 2. {4, 8}: mean 6, variance 8. 25 + (sqrt 8 - sqrt 2)^2 = 27.
        Assert.Equal(27, FrechetDistance.Between([[0f], [2f]], [[4f], [8f]]), 6);

    [Fact]
    public void Fewer_vectors_than_dimensions_are_no_trouble()
    {
        var distance = FrechetDistance.Between([[1, 0, 0, 0], [0, 1, 0, 0]], [[0, 0, 1, 0], [0, 0, 0, 1]]);
        // Means differ by 1/2 in four places: 1. Covariances are of trace 1 each, on orthogonal lines.
        Assert.Equal(3, distance, 6);
    }

    [Fact]
    public void Too_few_vectors_have_no_distance() => Assert.True(double.IsNaN(FrechetDistance.Between([[1f]], [[1f], [2f]])));

    [Fact]
    public void The_eigenvalues_of_a_known_matrix()
    {
        var (values, vectors) = SymmetricEigen.Decompose(new double[,] { { 2, 1, 0 }, { 1, 2, 1 }, { 0, 1, 2 } });
        var expected = new[] { 2 - Math.Sqrt(2), 2, 2 + Math.Sqrt(2) };
        Assert.All(values.Order().Zip(expected), v => Assert.Equal(v.Second, v.First, 10));
        var top = Array.IndexOf(values, values.Max());
        Assert.Equal(Math.Sqrt(2), vectors[1, top] / vectors[0, top], 10);
    }

    [Fact]
    public void A_square_root_squared_is_the_matrix_again()
    {
        var random = new Random(3);
        var a = new double[20, 20];
        for (var i = 0; i < 20; i++)
        {
            for (var j = 0; j < 20; j++)
                a[i, j] = random.NextDouble() - 0.5;
        }
        var square = Matrix.MultiplyByTransposed(a, a);
        var root = SymmetricEigen.SquareRoot(square);
        var again = Matrix.Multiply(root, root);
        for (var i = 0; i < 20; i++)
        {
            for (var j = 0; j < 20; j++)
                Assert.Equal(square[i, j], again[i, j], 9);
        }
    }
}
